import copy
import json
import pickle
from datetime import UTC, datetime

import pytest

from rotator.client.reading import Reading, parse

FIELDS = {
    "access_token": "t0ken",
    "token_type": "Token",
    "header_name": "TOKEN",
    "header_value": "t0ken",
    "issued_at": "2026-03-01T12:00:00Z",
    "expires_at": "2026-03-02T12:00:00.5Z",
    "generation": "7",
    "credential": "alation/etl",
    "schema": "1",
}


def made(**changed: object) -> Reading | str:
    return parse(json.dumps({**FIELDS, **changed}))


def reading() -> Reading:
    found = made(authorization="Bearer t0ken")
    assert isinstance(found, Reading)
    return found


def test_a_secret_of_rotators_is_read() -> None:
    found = reading()
    assert (found.value, dict(found.header)) == ("t0ken", {"TOKEN": "t0ken"})
    assert found.expires_at == datetime(2026, 3, 2, 12, 0, 0, 500_000, tzinfo=UTC)
    assert found.dies_at == found.expires_at.timestamp()
    assert found.issued_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert found.generation == 7


def test_keys_that_the_job_added_are_there_too() -> None:
    assert reading().fields["authorization"] == "Bearer t0ken"


def test_a_token_without_an_expiry_never_dies() -> None:
    found = made(expires_at="")
    assert isinstance(found, Reading)
    assert found.expires_at is None
    assert found.dies_at == float("inf")
    assert repr(found) == "Reading(generation 7, expires never)"


def test_a_later_schema_is_read_as_this_one() -> None:
    assert isinstance(made(schema="2", region="eu"), Reading)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"access_token": ""}, "its access_token is empty"),
        ({"access_token": 5}, "it has no text under access_token"),
        ({"header_name": None, "generation": 3}, "it has no text under header_name, generation"),
        ({"header_value": "t0\r\nHost: evil"}, "make no HTTP header"),
        ({"header_name": ""}, "make no HTTP header"),
        ({"header_value": "tökén"}, "make no HTTP header"),
        ({"generation": "-1"}, "its generation is no number"),
        ({"generation": "³"}, "its generation is no number"),
        ({"generation": "9" * 16}, "its generation is no number"),
        ({"expires_at": "tomorrow"}, "no instant"),
        ({"expires_at": "2026-03-02T12:00:00"}, "no instant"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "no instant"),
    ],
    ids=range(12),
)
def test_what_is_wrong_is_told_and_not_quoted(changed: dict[str, object], said: str) -> None:
    found = made(**changed)
    assert isinstance(found, str)
    assert said in found
    assert "t0ken" not in found
    assert "evil" not in found


@pytest.mark.parametrize(
    "text", [None, "", "t0ken", "[1]", "null", '"a"', "[" * 100_000], ids=range(7)
)
def test_whatever_is_no_object_is_told(text: str | None) -> None:
    assert parse(text) == "it holds no JSON object"


def test_nothing_shows_the_token_by_accident() -> None:
    found = reading()
    shown = [repr(found), str(found), f"{found}", repr(found.header), repr(found.fields)]
    assert not [each for each in shown if "t0ken" in each]


def test_a_reading_is_never_pickled_or_copied() -> None:
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="holds a token"):
            copied(reading())


def test_the_header_cannot_be_changed_for_others() -> None:
    with pytest.raises(TypeError):
        reading().header["TOKEN"] = "other"  # type: ignore[index]
