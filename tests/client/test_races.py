"""Many threads, many tasks, forked children: one read in flight, whoever asks."""

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest

from rotator.client import STALENESS, Token, TokenError, Unavailable
from rotator.client.testing import FakeClock, FakeSecret
from tests.client.plays import NAME, Frozen, Gated

T = TypeVar("T")
CROWD = 32


def together(call: Callable[[], T], gated: Gated | None = None) -> list[T]:
    """What `call` gives a crowd of threads that begin at once; the gate opens when all wait."""
    barrier = threading.Barrier(CROWD + 1)

    def one() -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(CROWD) as pool:
        futures = [pool.submit(one) for _ in range(CROWD)]
        barrier.wait()
        if gated:
            gated.begun.acquire()
            gated.gate.set()
        return [future.result() for future in futures]


def test_a_crowd_of_threads_makes_one_read() -> None:
    gated = Gated(clock=FakeClock())
    token = gated.token()
    assert set(together(lambda: token.value, gated)) == {"fake-token-1"}
    assert gated.reads == 1


def test_a_crowd_of_threads_makes_one_read_after_a_freeze() -> None:
    clock = Frozen()
    secret = FakeSecret(NAME, clock=clock)
    token = secret.token()
    assert token.generation == 1
    secret.rotate()
    clock.advance(STALENESS)
    assert set(together(lambda: token.generation)) == {2}
    assert secret.reads == 2


def test_a_crowd_that_was_refused_makes_one_read() -> None:
    secret = FakeSecret(NAME, clock=FakeClock())
    token = secret.token()
    refused = token.value
    secret.rotate()
    assert set(together(lambda: token.refused(refused))) == {True}
    assert secret.reads == 2


def test_a_crowd_that_was_refused_in_vain_makes_one_read() -> None:
    secret = FakeSecret(NAME, clock=FakeClock())
    token = secret.token()
    refused = token.value
    assert set(together(lambda: token.refused(refused))) == {False}
    assert secret.reads == 2


def test_a_read_that_began_before_the_refusal_does_not_count_as_the_re_read() -> None:
    clock = Frozen()
    gated = Gated(clock=clock)
    gated.gate.set()
    token = gated.token()
    refused = token.value
    gated.begun.acquire()
    gated.gate.clear()
    clock.advance(STALENESS)
    with ThreadPoolExecutor(2) as pool:
        stale = pool.submit(lambda: token.value)
        gated.begun.acquire()  # it has read the old value already
        gated.rotate()
        said = pool.submit(token.refused, refused)
        gated.gate.set()
        assert stale.result() in (refused, "fake-token-2")  # whichever landed last by then
        assert said.result()
    assert token.value == "fake-token-2"
    assert gated.reads == 3


def test_the_error_reaches_a_whole_crowd_by_one_read() -> None:
    gated = Gated(clock=FakeClock())
    gated.write("none of ours")
    token = gated.token()

    def told() -> TokenError:
        with pytest.raises(TokenError) as caught:
            _ = token.value
        return caught.value

    errors = together(told, gated)
    assert len({id(error) for error in errors}) == CROWD
    assert gated.reads == 1


def test_ctrl_c_in_a_read_reaches_its_thread_and_frees_the_others() -> None:
    begun, gate = threading.Event(), threading.Event()

    def interrupted(_: str) -> str:
        begun.set()
        assert gate.wait(20)
        raise KeyboardInterrupt

    token = Token(NAME, fetch=interrupted, clock=FakeClock())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: token.value)
        assert begun.wait(20)
        second = pool.submit(lambda: token.value)
        gate.set()
        assert isinstance(first.exception(), KeyboardInterrupt)
        assert isinstance(second.exception(), Unavailable)


# Tasks


def test_a_crowd_of_tasks_makes_one_read_and_the_loop_goes_on() -> None:
    gated = Gated(clock=FakeClock())
    token = gated.token()

    async def play() -> set[str]:
        tasks = [asyncio.create_task(token.aget()) for _ in range(CROWD)]
        await asyncio.to_thread(gated.begun.acquire)  # the loop runs while the read is under way
        assert not any(task.done() for task in tasks)
        gated.gate.set()
        return {reading.value for reading in await asyncio.gather(*tasks)}

    assert asyncio.run(play()) == {"fake-token-1"}
    assert gated.reads == 1


def test_a_task_that_is_cancelled_ends_only_itself() -> None:
    gated = Gated(clock=FakeClock())
    token = gated.token()

    async def play() -> str:
        first, second = (asyncio.create_task(token.aget()) for _ in range(2))
        await asyncio.to_thread(gated.begun.acquire)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gated.gate.set()
        return (await second).value

    assert asyncio.run(play()) == "fake-token-1"
    assert gated.reads == 1


def test_tasks_that_were_refused_make_one_read() -> None:
    secret = FakeSecret(NAME, clock=FakeClock())
    token = secret.token()

    async def play() -> list[bool]:
        refused = (await token.aget()).value
        assert (await token.aget()).value == refused
        secret.rotate()
        return await asyncio.gather(*(token.arefused(refused) for _ in range(CROWD)))

    assert set(asyncio.run(play())) == {True}
    assert secret.reads == 2


def test_where_no_thread_can_be_started_it_reads_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    clock = FakeClock()
    secret = FakeSecret(NAME, clock=clock)
    token = secret.token()
    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert asyncio.run(token.aget()).generation == 1
    secret.fail(Unavailable)
    clock.advance(STALENESS)
    assert token.generation == 1
    secret.fail(None)
    secret.rotate()
    clock.advance(timedelta(minutes=1))
    assert token.generation == 2


# The thread that looks ahead


def test_a_token_that_nobody_holds_takes_its_thread_with_it() -> None:
    before = set(threading.enumerate())
    token: Token | None = FakeSecret(NAME, clock=FakeClock()).token()
    assert token is not None
    assert token.value
    gone = weakref.ref(token)
    threads = set(threading.enumerate()) - before
    assert len(threads) == 1
    token = None
    gc.collect()
    assert gone() is None
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


# Forks, in a process of their own

FORK = """
import os, sys, threading
from datetime import timedelta
from typing import TypeVar
from rotator.client.testing import FakeClock, FakeSecret

clock = FakeClock()
secret = FakeSecret("a", clock=clock)
token = secret.token()
assert token.value == "fake-token-1"
{before}
child = os.fork()
if child:
    {parent}
    _, status = os.waitpid(child, 0)
    assert token.generation == {in_parent}, token
    sys.exit(os.waitstatus_to_exitcode(status))
try:
    {child}
    os._exit(0)
except BaseException:
    import traceback
    traceback.print_exc()
    os._exit(1)
"""


def forked(child: str, before: str = "", parent: str = "", in_parent: int = 1) -> None:
    script = FORK.format(before=before, child=child, parent=parent, in_parent=in_parent)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_goes_on_with_what_its_parent_had_read() -> None:
    forked('assert token.value == "fake-token-1"; assert secret.reads == 1')


def test_a_forked_child_looks_ahead_by_itself() -> None:
    forked(
        "assert token.generation == 1; secret.rotate(); clock.advance(timedelta(minutes=4))\n"
        "    [thread] = [t for t in threading.enumerate() if t.name == 'rotator.client']\n"
        "    while token.generation == 1: thread.join(0.001)"
    )


def test_a_read_that_was_under_way_in_the_parent_is_none_of_the_childs() -> None:
    forked(
        before="begun, gate, whole = threading.Event(), threading.Event(), secret.__call__\n"
        "def slow(name, parent=os.getpid()):\n"
        "    if os.getpid() == parent: begun.set(); gate.wait()\n"
        "    return whole(name)\n"
        "token._cache._source._fetch = slow\n"
        "secret.rotate()\n"
        "threading.Thread(target=token.refused, args=('fake-token-1',)).start()\n"
        "begun.wait()",
        child="assert token.generation == 1; assert token.refused('fake-token-1');"
        "assert token.generation == 2",
        parent="gate.set()\n    while token.generation == 1: begun.wait()",
        in_parent=2,
    )


def test_a_lock_that_was_held_while_the_process_forked_is_free_in_the_child() -> None:
    forked(
        before="token._cache._lock.acquire()",
        child="assert token.value == 'fake-token-1'; assert not token.refused(token.value)",
        parent="token._cache._lock.release()",
    )
