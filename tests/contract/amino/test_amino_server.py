"""Against the server; and that it is strict itself."""

import pytest

from rotator.errors import Misconfigured, Rejected
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.base import Alive, Dead, Unknown
from rotator.providers.http import Door
from rotator.sandbox.amino import CHANNELS, RENEW, AminoFake
from rotator.sandbox.fakes import html
from rotator.sandbox.server import InProcessDoor, served
from tests.contract.amino.stage import DAY, NOW, PLANTED, amino, ask, consumer, read, renew, ring
from tests.contract.stage import TurnedClock


def test_a_seed_becomes_a_pair_and_the_pair_a_pair(door: InProcessDoor, fake: AminoFake) -> None:
    provider = amino()
    first = renew(door, provider, ring(refresh_token=fake.enrol()))
    second = renew(door, provider, first)
    assert {first[ACCESS_TOKEN].expires_at, second[ACCESS_TOKEN].expires_at} == {NOW + DAY}
    assert {token.lifespan for token in second.values()} == {DAY, 4 * DAY}
    assert consumer(second[ACCESS_TOKEN], door, provider) == 200


def test_an_old_refresh_token_works_until_it_expires(
    door: InProcessDoor, fake: AminoFake, clock: TurnedClock
) -> None:
    provider, seed = amino(), ring(refresh_token=fake.enrol())
    renew(door, provider, seed)
    assert renew(door, provider, seed)
    clock.at += 4 * DAY
    with pytest.raises(Rejected):
        renew(door, provider, seed)
    assert not fake.counts["presented_twice"]


def test_a_deny_list_takes_a_refresh_token_once(door: InProcessDoor, fake: AminoFake) -> None:
    fake.deny_list = True
    provider, seed = amino(), ring(refresh_token=fake.enrol())
    renew(door, provider, seed)
    with pytest.raises(Rejected):
        renew(door, provider, seed)
    assert fake.counts["presented_twice"] == 1


def test_consumers_keep_the_old_access_token_until_it_expires(
    door: InProcessDoor, fake: AminoFake, clock: TurnedClock
) -> None:
    provider = amino()
    first = renew(door, provider, ring(refresh_token=fake.enrol()))
    renew(door, provider, first)
    assert consumer(first[ACCESS_TOKEN], door, provider) == 200
    clock.at += DAY
    assert consumer(first[ACCESS_TOKEN], door, provider) == 401


def test_a_form_is_taken_where_the_installation_wants_one(
    door: InProcessDoor, fake: AminoFake
) -> None:
    fake.encoding = "form"
    seed = ring(refresh_token=fake.enrol())
    assert renew(door, amino(renew_encoding="form"), seed)
    with pytest.raises(Misconfigured):
        renew(door, amino(), seed)


def test_a_wrong_path_is_a_setting_and_refuses_no_token(
    door: InProcessDoor, fake: AminoFake
) -> None:
    with pytest.raises(Misconfigured):
        renew(door, amino(renew_path="/nowhere"), ring(refresh_token=fake.enrol()))


def test_a_password_gives_a_pair(door: InProcessDoor, fake: AminoFake) -> None:
    provider = amino("password", username=fake.username, password_path=RENEW)
    good = door.send(ask(provider, "password", ring(password=fake.password)))
    assert set(read(good)) == {ACCESS_TOKEN, REFRESH_TOKEN}
    bad = door.send(ask(provider, "password", ring(password=PLANTED)))
    with pytest.raises(Rejected):
        read(bad)


def test_cookies_give_a_pair_in_the_older_envelope(door: InProcessDoor, fake: AminoFake) -> None:
    provider = amino("ssid", "usid", username=fake.username)
    tokens = read(door.send(ask(provider, "cookie", ring(**fake.session()))))
    assert {name: token.lifespan for name, token in tokens.items()} == {
        ACCESS_TOKEN: DAY,
        REFRESH_TOKEN: 4 * DAY,
    }
    with pytest.raises(Rejected):
        read(door.send(ask(provider, "cookie", ring(ssid="s", usid="u"))))


def test_an_inspection_tells_a_living_token_from_a_dead_one(
    door: InProcessDoor, fake: AminoFake, clock: TurnedClock
) -> None:
    provider = amino(inspect_path=CHANNELS)
    tokens = renew(door, provider, ring(refresh_token=fake.enrol()))
    inspection = provider.inspections[ACCESS_TOKEN]
    assert inspection.read(door.send(inspection.ask(tokens))) == Alive()
    clock.at += DAY
    assert inspection.read(door.send(inspection.ask(tokens))) == Dead()
    fake.fail_next(CHANNELS, html(401))
    assert isinstance(inspection.read(door.send(inspection.ask(tokens))), Unknown)


def test_nothing_is_inspected_unless_the_job_names_a_call() -> None:
    assert not amino().inspections


def test_it_renews_over_a_real_socket(fake: AminoFake, wire: Door) -> None:
    with served(fake) as url:
        provider = amino(base_url=url)
        request = ask(provider, "refresh_token", ring(refresh_token=fake.enrol()))
        assert len(read(wire.send(request, spending=True))) == 2


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", RENEW, {}, 405),
        ("POST", CHANNELS, {}, 405),
        ("POST", "/nowhere", {}, 404),
        ("POST", RENEW, {"accept": "application/json"}, 406),
        ("POST", RENEW, {"content-type": "text/plain"}, 415),
        ("POST", RENEW, {}, 401),
        ("POST", "/api/user/somebody@example.com/login", {}, 404),
        ("POST", "/api/user/epg@example.com/login", {}, 401),
        ("POST", "/api/user/epg@example.com/login", {"cookie": "a@b=1"}, 401),
        ("GET", CHANNELS, {"authorization": "Basic x"}, 401),
    ],
)
def test_the_server_is_strict(
    fake: AminoFake, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    usual = {"accept": "application/vnd.api+json", "content-type": "application/json"}
    assert fake.handle(method, path, usual | headers, b"{}").status == status


def test_an_access_token_renews_nothing(door: InProcessDoor, fake: AminoFake) -> None:
    provider = amino()
    access = renew(door, provider, ring(refresh_token=fake.enrol()))[ACCESS_TOKEN]
    with pytest.raises(Rejected):
        renew(door, provider, {REFRESH_TOKEN: access})
