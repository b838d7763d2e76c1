"""Every recipe for reading a token, run as its page prints it, against what the worker wrote.

`make readers` makes the environment that they run in, with the readers' own tools.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rotator.sandbox.iam import Guard
from rotator.sandbox.server import served
from tests.integration.town import Town, town
from tests.readers.agent import AgentFake
from tests.readers.pages import ROOT, Recipe, recipes

TOOLS = ROOT / ".venv-readers" / "bin"
DRIVER = Path(__file__).parent / "driver.py"
CONSUMER = "AKIACONSUMER"
FOUND = {f"{each.page}: {each.heading}": each for each in recipes()}
PROMISED = {
    "README.md": {"AWS CLI", "boto3", "curl", "rotator.client"},
    "deploy/consumers/README.md": {
        "allie-sdk",
        "aws-secretsmanager-caching",
        "Lambda extension",
        "Powertools for AWS Lambda",
        "pydantic-settings",
        "rotator exec",
        "Secrets Manager Agent",
    },
}
CANNOT_BE_HURRIED = "Lambda extension"

Read = Callable[[], str]


@dataclass
class Place:
    """A town with a consumer in it, who has a consumer's rights and no more."""

    town: Town
    agent: AgentFake
    environ: dict[str, str]

    def rotate(self) -> None:
        said = self.town.run("rotate", "alation/etl")
        assert said.code == 0, said

    @property
    def refusals(self) -> int:
        """How often Alation answered 403."""
        return self.town.alation.counts["consumer refused"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Nothing secret may be printed on the way."""
    assert TOOLS.is_dir(), "their tools are not here: run `make readers`"
    with town(tmp_path) as built:
        policy = json.loads((ROOT / "deploy" / "iam" / "consumer.json").read_text())
        built.aws.account.authorize = Guard(built.aws, {CONSUMER: [policy]})
        agent = AgentFake(built.alation.now, aws=built.aws, principal=CONSUMER)
        with served(agent) as url:
            yield Place(built, agent, _environ(built, url))
        assert not built.leaked()


def _environ(built: Town, agent: str) -> dict[str, str]:
    """The worker's without its seeds, with a consumer's own login, and the readers' tools."""
    commands, token = built.home / "bin", built.home / "awssmatoken"
    commands.mkdir()
    rotator = commands / "rotator"
    rotator.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m rotator "$@"\n')
    rotator.chmod(0o755)
    token.write_text(f"{AgentFake.token}\n")
    port = agent.rpartition(":")[2]
    seeds = {"ALATION_PASSWORD", "ALATION_SSO_TOKEN", "OAUTH_SECRET"}
    return {
        **{name: value for name, value in built.environ.items() if name not in seeds},
        "AWS_ACCESS_KEY_ID": CONSUMER,
        "AWS_DEFAULT_REGION": built.environ["AWS_REGION"],
        "AWS_SESSION_TOKEN": AgentFake.token,
        "PATH": f"{commands}:{TOOLS}:{built.environ['PATH']}",
        "ALATION_BASE_URL": built.urls["alation"],
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": port,
        "AGENT_PORT": port,
        "AGENT_TOKEN_FILE": str(token),
    }


@contextmanager
def shell(recipe: Recipe, place: Place) -> Iterator[Read]:
    """Each call is the whole recipe, in a shell of its own."""

    def read() -> str:
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", recipe.text],
            env=place.environ, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        place.town.heard += [done.stdout, done.stderr]
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    yield read


@contextmanager
def python(recipe: Recipe, place: Place) -> Iterator[Read]:
    """One process, which calls the recipe's `datasources` as often as it is asked to."""
    script, errors = place.town.home / "recipe.py", place.town.home / "errors.txt"
    script.write_text(recipe.text)
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [TOOLS / "python", "-W", "error::ResourceWarning", DRIVER, script],
            env=place.environ, cwd=place.town.home, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
        ) as process,
    ):  # fmt: skip

        def read() -> str:
            assert process.stdin
            assert process.stdout
            process.stdin.write("\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            place.town.heard += [answer, errors.read_text()]
            assert answer, errors.read_text()
            return answer.strip()

        try:
            yield read
        finally:
            process.communicate(timeout=60)


RUNNERS: Mapping[str, Callable[[Recipe, Place], AbstractContextManager[Read]]] = {
    "python": python,
    "sh": shell,
}


def test_the_pages_hold_a_recipe_for_every_reader() -> None:
    told = {
        page: {each.heading for each in FOUND.values() if each.page == page} for page in PROMISED
    }
    assert told == PROMISED
    assert len(recipes()) == len(FOUND), "one recipe a heading"


@pytest.mark.parametrize("name", FOUND)
def test_a_recipe_works_before_and_after_a_rotation_that_kills_the_token_it_holds(
    place: Place, name: str
) -> None:
    recipe = FOUND[name]
    place.rotate()
    with RUNNERS[recipe.language](recipe, place) as read:
        assert read() == "[]"
        place.rotate()
        if recipe.heading == CANNOT_BE_HURRIED:
            place.agent.forget()
        assert read() == "[]"
    assert place.refusals <= 1, "a refused token is read anew, and not presented again"


def test_what_a_recipe_runs_with_does_not_open_the_keyring(place: Place) -> None:
    place.rotate()
    recipe = FOUND["README.md: AWS CLI"]
    assert "rotator/token/" in recipe.text
    stolen = recipe._replace(text=recipe.text.replace("rotator/token/", "rotator/keyring/"))
    with shell(stolen, place) as read, pytest.raises(AssertionError, match="AccessDenied"):
        read()
