"""A real worker tells a machine of each token that it published."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook

from rotator.clock import Clock
from rotator.sandbox.fakes import Fake, Reply, broken
from rotator.sandbox.server import served
from tests.integration.test_cli_processes import all_fresh, until, worker
from tests.integration.town import CANARY, Town

KEY = "whsec_Y2FuYXJ5IGNhbmFyeSBjYW5hcnkgY2FuYXJ5"


@dataclass
class Receiver(Fake):
    """Takes what is signed with the key."""

    told: list[dict[str, Any]] = field(default_factory=list)

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        del method, path
        self.told.append(Webhook(KEY).verify(body, dict(headers)))
        return Reply(204, {}, b"")

    def generations(self, credential: str) -> list[int]:
        found = [told["data"] for told in self.told]
        return [each["generation"] for each in found if each["credential"] == credential]


def test_a_worker_tells_of_each_token_and_is_not_held_up(here: Town) -> None:
    receiver = Receiver(Clock().now)
    receiver.fail_next("*", broken(503))
    with served(receiver) as url:
        here.environ |= {"ROTATOR_NOTIFY_URLS": f"{url}/{CANARY}", "ROTATOR_NOTIFY_KEY": KEY}
        with worker(here):
            until(lambda: all_fresh(here))
            assert here.spawn("rotate", "alation/etl").code == 0
            newest = int(here.secret("alation/etl")["generation"])
            until(lambda: newest in receiver.generations("alation/etl"))
            others = ("alation/sso", "oauth/reports")
            until(lambda: all(map(receiver.generations, others)))
    told = receiver.generations("alation/etl")
    assert told == sorted(told)
    assert CANARY not in json.dumps(receiver.told)
    log = (here.home / "worker.log").read_text()
    assert KEY not in log
    assert CANARY not in log
