"""Run by `.ci/run` where the consumers' library is installed: it works, with boto3 and no more."""

import os
import sys
from importlib.metadata import requires, version

from rotator.client import Token, Unavailable
from rotator.client.testing import FakeSecret, fake_secrets

NAME = "rotator/token/alation/etl"


def main() -> None:
    assert "site-packages" in sys.modules["rotator.client"].__file__  # type: ignore[operator]
    needs = [each for each in requires("rotator-client") or [] if "extra ==" not in each]
    assert [each.split(">")[0] for each in needs] == ["boto3"], needs
    with fake_secrets(FakeSecret(NAME)):
        assert dict(Token(NAME).header) == {"Authorization": "Bearer fake-token-1"}
    assert "boto3" not in sys.modules
    try:
        print(Token(NAME).value)  # noqa: T201
    except Unavailable as error:
        print(f"rotator-client {version('rotator-client')}, by real boto3: {error}")  # noqa: T201
    assert "boto3" in sys.modules
    assert not {"httpx", "requests", "pydantic"} & set(sys.modules)


if __name__ == "__main__":
    os.environ.update(
        AWS_ENDPOINT_URL_SECRETS_MANAGER="http://127.0.0.1:9",  # nobody listens there
        AWS_REGION="eu-central-1",
        AWS_ACCESS_KEY_ID="nobody",
        AWS_SECRET_ACCESS_KEY="nothing",
    )
    main()
