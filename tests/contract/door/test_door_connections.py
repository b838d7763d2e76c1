"""Whose connection it is, and that none is logged."""

import logging
import socket
import threading

import pytest

from rotator.providers.base import Answer
from rotator.providers.http import Door
from rotator.sandbox.fakes import LOST_ANSWER
from tests.contract.door.stage import Echo, ask, listening, refusal, reply


def count_connections(door: Door, *, spending: bool) -> int:
    made: list[socket.socket] = []

    def keep_alive(connection: socket.socket) -> None:
        made.append(connection)
        while received := connection.recv(65536):
            if received.endswith(b"}"):
                connection.sendall(reply(b"{}"))

    with listening(keep_alive) as port:
        for _ in range(3):
            door.send(ask(f"http://127.0.0.1:{port}/"), spending=spending)
        door.close()
    return len(made)


def test_a_spending_request_has_a_connection_of_its_own(door: Door) -> None:
    assert count_connections(door, spending=True) == 3
    assert count_connections(door, spending=False) == 1


def test_threads_share_a_door(door: Door, url: str) -> None:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(door.send(ask(f"{url}/x"))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 8


def test_nothing_is_logged(
    door: Door, fake: Echo, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        door.send(ask(f"{url}/x"))
        fake.fail_next("/x", LOST_ANSWER)
        refusal(door, ask(f"{url}/x"))
    assert caplog.records == []
