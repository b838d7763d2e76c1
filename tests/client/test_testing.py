"""The fake that services use in their own tests."""

import threading
from datetime import timedelta

import pytest

from rotator.client import AccessDenied, SecretNotFound, Token
from rotator.client.testing import FakeClock, FakeSecret, fake_secrets
from tests.client.plays import NAME

SERVICE = Token(NAME)
"""As a service has it: made when its module is imported."""


def test_a_services_own_token_reads_the_fake() -> None:
    secret = FakeSecret(NAME)
    with fake_secrets(secret):
        assert SERVICE.value == "fake-token-1"
        assert Token(NAME).generation == 1
        secret.rotate("t2")
        assert SERVICE.refused("fake-token-1")
        assert SERVICE.value == "t2"
    assert repr(SERVICE) == f"Token({NAME!r}, None)"


def test_one_test_does_not_see_anothers_token() -> None:
    for value in ("one", "two"):
        secret = FakeSecret(NAME)
        secret.rotate(value)
        with fake_secrets(secret):
            assert SERVICE.value == value


def test_a_secret_that_the_test_did_not_give_is_not_there() -> None:
    with fake_secrets(), pytest.raises(SecretNotFound, match="no FakeSecret of this name"):
        _ = SERVICE.value


def test_it_fails_as_it_is_told() -> None:
    secret = FakeSecret(NAME)
    secret.fail(AccessDenied)
    with fake_secrets(secret), pytest.raises(AccessDenied, match="the test wants it so"):
        _ = SERVICE.value


def test_keys_that_the_job_adds_are_there() -> None:
    secret = FakeSecret(NAME, extra={"api_key": "t1"})
    assert secret.token().get().fields["api_key"] == "t1"


def test_its_time_is_the_tests() -> None:
    clock = FakeClock()
    secret = FakeSecret(NAME, lifespan=timedelta(minutes=1), clock=clock)
    assert clock.spread() == 0.5
    clock.advance(timedelta(seconds=59))
    assert secret.token().value
    clock.wait(threading.Event(), clock.now())
