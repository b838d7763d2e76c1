"""Some dozens of credentials, their providers and AWS, and the workers, from one year to the next.

Driven by events: time jumps to whatever comes first, a due rotation (the ledger's own `due_at`), a
trouble, its end, a frozen worker's waking or a person's help. Nothing waits, nothing is threaded
but a walk that is frozen.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from random import Random  # noqa: TID251 - the simulation's own dice, from its seed

from rotator.engine.local import claim_time
from rotator.errors import RotatorError, StoreError
from rotator.ledger import connect
from rotator.ledger.sealing import Fingerprints, Sealer
from rotator.ledger.sql import SqlLedger
from rotator.ledger.unlocking import unlock
from rotator.ledger.writes import Rest
from rotator.model import ACCESS_TOKEN, Reason, Shelf, State
from rotator.rotation import keyring
from rotator.rotation.gate import Gate
from rotator.rotation.telling import Event
from rotator.rotation.tools import Tools
from rotator.rotation.walk import rotate
from rotator.sandbox.kms import Kms
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import kms_client_for
from rotator.store.kms import KmsKey
from rotator.store.secrets_manager import SecretsManagerStore
from rotator.store.seeds import Seeds
from tests.crash.doors import Killed
from tests.crash.world import START, counted, environ, tools_of
from tests.simulation import people
from tests.simulation.cast import Make
from tests.simulation.citizen import Citizen, lives
from tests.simulation.clocks import Dice, SimulatedClock, Time
from tests.simulation.faults import DAY, HOUR, KINDS, MINUTE, SECOND, Scope, Trouble, troubles
from tests.simulation.struck import Baton, Struck
from tests.simulation.watch import Invariant, Tally, Watch
from tests.simulation.weather import ON_REQUESTS, Aws, WeatherClient, WeatherDoor

AT_ONCE = 16
DEEPEST = 24
"""Effects of a long walk."""


class Worker:
    """One process: its clock, its memory of the store, and the ledger that it works on."""

    def __init__(self, world: "World", ledger: SqlLedger, owner: str) -> None:
        self._world, self.owner = world, owner
        self.ledger = ledger
        self.clock = SimulatedClock(world.time)
        self.restart(ledger)

    def restart(self, ledger: SqlLedger) -> None:
        """Nothing of its memory is left; it begins by having KMS open the ledger's keys."""
        self.ledger = ledger
        self._sealing, self._fingerprints = self._world.unlocked(ledger)
        self.store = SecretsManagerStore(self.clock, client=WeatherClient(self._world.aws))  # type: ignore[arg-type]
        self._gate = Gate()
        self._tools: dict[str, Tools] = {}

    def forget(self, citizen: Citizen) -> None:
        """Its seeds have changed: a person has set the variable and restarted."""
        self._tools.pop(citizen.name, None)

    def tools(self, citizen: Citizen) -> Tools:
        """Its turn begins."""
        self._world.dice.hand_to(citizen.name)
        found = self._tools.get(citizen.name)
        if found is None:
            tally = self._world.watch.tally
            door = WeatherDoor(citizen, self.clock, tally.met, tally.counts)
            seeds = Seeds(environ(citizen.values), self.store.read_secret)
            found = tools_of(self.ledger, self.store, door, seeds, self.clock, self.owner)
            found = replace(
                found,
                gate=self._gate,
                sealing=self._sealing,
                fingerprints=self._fingerprints,
            )
            self._tools[citizen.name] = found
        return found

    def next_due(self) -> datetime | None:
        """In true time."""
        found = self.ledger.next_due()
        return None if found is None else found - self.clock.skew


class World:
    """One shard of the simulation."""

    def __init__(
        self, seed: str, cast: Iterable[Make],
        rates: Mapping[str, float], days: float, dice: Dice,
    ) -> None:  # fmt: skip
        self.time = Time()
        self.dice = dice
        self.end = START + timedelta(days=days)
        self._skews: dict[str, timedelta] = {}
        self.citizens = self._made(cast)
        service = SecretsManager(lambda: self.time.at, self._seconds, log_size=1)
        self.aws = Aws(service, Random(f"{seed} aws"))  # noqa: S311
        self.watch = Watch(service, self._troubles_of, lambda: self.worker.ledger.ledger_id)
        for citizen in self.citizens.values():
            self.watch.add(citizen)
        self.troubles: dict[str, list[tuple[datetime, datetime]]] = {"": []}
        self._kms_denied_until = START
        self._keys = self._key_holder()
        self.worker = Worker(self, SqlLedger.in_memory(), "first")
        self.beside: dict[str, Worker] = {}
        """Credential -> a second worker on a ledger of its own."""
        self._snapshot = b""
        self._asleep: dict[Baton, Citizen] = {}
        self._edits = count(2)
        self._order = count()
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._enrol(self.worker.ledger, self.citizens.values())
        for citizen in self.citizens.values():
            self.at(START + 10 * MINUTE, partial(self._pair, citizen))
        self._claim = claim_time(self.worker.tools(next(iter(self.citizens.values()))))
        self.at(START + DAY, self._prune)
        self._plan(seed, rates)

    def _made(self, cast: Iterable[Make]) -> dict[str, Citizen]:
        found = {}
        for make in cast:
            citizen = make(self._provider_clock)
            found[citizen.name] = citizen
        return found

    def _key_holder(self) -> KmsKey:
        allowed = Kms(
            lambda: self.time.at,
            self._seconds,
            authorize=lambda *_: self.time.at >= self._kms_denied_until,
        )
        allowed.create("alias/rotator")
        return KmsKey("alias/rotator", client=kms_client_for(allowed))

    def unlocked(self, ledger: SqlLedger) -> tuple[Sealer, Fingerprints]:
        """What a worker begins with; while KMS denies it there is no worker."""
        began = self.time.at
        while True:
            try:
                found = unlock(ledger, self._keys, self.time.at)
            except StoreError:
                self.time.at += 5 * MINUTE
            else:
                self._trouble("", began, self.time.at)
                return found

    def _provider_clock(self, provider: str) -> Callable[[], datetime]:
        return lambda: self.time.at + self._skews.get(provider, timedelta(0))

    def _seconds(self) -> float:
        return (self.time.at - START).total_seconds()

    def _enrol(self, ledger: SqlLedger, citizens: Iterable[Citizen]) -> None:
        jobs: dict[str, list[str]] = {}
        for citizen in citizens:
            jobs.setdefault(citizen.credential.job, []).append(citizen.name)
        ledger.enrol(jobs, self.time.at)

    def _plan(self, seed: str, rates: Mapping[str, float]) -> None:
        providers = sorted({citizen.scenario.provider for citizen in self.citizens.values()})
        targets = {
            Scope.CREDENTIAL: sorted(self.citizens),
            Scope.PROVIDER: providers,
            Scope.WORLD: [""],
        }
        for trouble in troubles(seed, targets, rates, START + HOUR, self.end):
            self.at(trouble.at, partial(self.begin, trouble))

    def _pair(self, citizen: Citizen) -> None:
        """A second chain beside the first, where the scenario has one."""
        if citizen.scenario.second is not None:
            people.pair(self.worker.tools(citizen), citizen, citizen.scenario.second(citizen.fake))
            self.watch.after(citizen, self.time.at, None)

    def _prune(self) -> None:
        """As often as the engine does."""
        self.worker.ledger.prune(self.worker.clock.now())
        self.at(self.time.at + DAY, self._prune)

    def at(self, instant: datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (instant, next(self._order), act))

    # The loop

    def run(self) -> Tally:
        while True:
            at = self._next()
            if at is None or at > self.end:
                break
            self.time.until(at)
            while self._events and self._events[0][0] <= self.time.at:
                heapq.heappop(self._events)[2]()
            for worker in (self.worker, *self.beside.values()):
                self._sweep(worker)
        self._stop_the_frozen()
        for worker in (self.worker, *self.beside.values()):
            worker.ledger.close()
        return self.watch.end()

    def _next(self) -> datetime | None:
        workers = (self.worker, *self.beside.values())
        found = [due for worker in workers if (due := worker.next_due())]
        if self._events:
            found.append(self._events[0][0])
        return min(found, default=None)

    def _sweep(self, worker: Worker) -> None:
        now = worker.clock.now()
        for name in worker.ledger.sweep(now, AT_ONCE, until=now + self._claim):
            if worker.ledger is not self.worker.ledger and name not in self.beside:
                return  # it was taken away meanwhile
            self.walk(worker, self.citizens[name])

    def walk(self, worker: Worker, citizen: Citizen) -> None:
        self.watch.before(citizen, self.time.at)
        rests: list[Rest] = []

        def observe(event: Event) -> None:
            if event.rest is not None and event.rest.reason is not Reason.READ_LAG:
                rests.append(event.rest)
            citizen.journal.append((self.time.at, worker.owner, _line(event)))

        self.watch.tally.counts["walks"] += 1
        try:
            if citizen.next_walk and worker is self.worker and not citizen.frozen:
                self._struck(worker, citizen, observe)
            else:
                rotate(worker.tools(citizen), citizen.credential, observe)
        except Killed:
            self._restart()
        except Exception as error:  # noqa: BLE001 - whatever it is, no walk should raise it
            self.watch.say(citizen, self.time.at, Invariant.UPRIGHT, repr(error))
        rest = rests[-1] if rests and worker is self.worker else None
        self.watch.after(citizen, self.time.at, rest)
        if not rests and worker is self.worker:
            self._left_behind(citizen)
        if rest is not None and rest.state is State.NEEDS_A_PERSON and not citizen.help_comes:
            citizen.help_comes = True
            self.at(self.time.at + HOUR * (1 + len(citizen.name) % 40), lambda: self.help(citizen))

    def _left_behind(self, citizen: Citizen) -> None:
        self.watch.left_behind(citizen, self.worker.ledger.rows([citizen.name])[0])

    # What befalls a walk

    def _struck(self, worker: Worker, citizen: Citizen, observe: Callable[[Event], None]) -> None:
        trouble = citizen.next_walk[0]
        kind, lasting = trouble.kind, trouble.until - trouble.at
        number, when = divmod(int(trouble.draw * 2 * DEEPEST), 2)
        strikes: dict[str, Callable[[Struck, str], None]] = {
            "killed": lambda effects, where: self._killed(citizen, effects, where),
            "suspended": lambda effects, _: self._suspended(citizen, effects, lasting),
            "frozen": lambda effects, _: self._frozen(citizen, effects, lasting, baton),
        }
        effects = Struck((number + 1, ("before", "after")[when]), strikes[kind])
        tools = counted(worker.tools(citizen), effects)
        baton = Baton(lambda: rotate(tools, citizen.credential, observe))
        try:
            if kind == "frozen":
                baton.start()
            else:
                rotate(tools, citizen.credential, observe)
        finally:
            citizen.next_walk.popleft()
            if not effects.struck:  # too short a walk; the next one meets it, and earlier
                citizen.next_walk.appendleft(replace(trouble, draw=trouble.draw * 0.7))
            else:
                citizen.journal.append((self.time.at, kind, effects.struck))
                self.watch.tally.met[kind] += 1
                self.watch.tally.counts[f"{kind} {effects.struck}"] += 1

    def _spends(self, citizen: Citizen, grant: str) -> bool:
        found = citizen.credential.provider.grant(grant) if grant else None
        return bool(found and found.spends)

    def _killed(self, citizen: Citizen, effects: Struck, where: str) -> None:
        if self._spends(citizen, effects.unsealed):
            citizen.causes.add("killed before the answer to a request that spends was sealed")
        effects.die(where)

    def _suspended(self, citizen: Citizen, effects: Struck, lasting: timedelta) -> None:
        """The whole machine stands still, between one instruction and the next."""
        if self._spends(citizen, effects.unsealed):
            citizen.causes.add("suspended while a request that spends was under way")
        self._trouble("", self.time.at, self.time.at + lasting)
        self.time.at += lasting

    def _frozen(self, citizen: Citizen, effects: Struck, lasting: timedelta, baton: Baton) -> None:
        """This process alone; another takes over, on the same ledger."""
        if self._spends(citizen, effects.unsealed):
            citizen.causes.add("frozen while a request that spends was under way")
            citizen.woken_to_send += effects.struck.startswith("before provider.send")
        citizen.frozen = True
        self._asleep[baton] = citizen
        self.at(self.time.at + lasting, lambda: self._wake(citizen, baton))
        baton.freeze()

    def _stop_the_frozen(self) -> None:
        """Whoever stops a process that does not stir ends it; what it was to send is not sent."""
        for baton, citizen in self._asleep.items():
            baton.end()
            citizen.frozen, citizen.woken_to_send = False, 0
        self._asleep.clear()

    def _wake(self, citizen: Citizen, baton: Baton) -> None:
        if self._asleep.pop(baton, None) is None:
            return
        citizen.frozen = False
        self.dice.hand_to(citizen.name)
        try:
            baton.wake()
        except Exception as error:  # noqa: BLE001 - as in `walk`
            self.watch.say(citizen, self.time.at, Invariant.UPRIGHT, repr(error))
        citizen.woke_late = True
        self.watch.after(citizen, self.time.at, None)
        self._left_behind(citizen)
        citizen.woke_late = False

    def _restart(self) -> None:
        """Systemd needs five seconds."""
        self._trouble("", self.time.at, self.time.at + 5 * SECOND)
        self.time.at += 5 * SECOND
        self.worker.restart(self.worker.ledger)
        self.worker.ledger.free_all()

    # Troubles

    def _trouble(self, target: str, at: datetime, until: datetime) -> None:
        found = self.troubles.setdefault(target, [])
        found.append((at, until))
        while found[0][1] < self.time.at - 30 * DAY:
            del found[0]

    def _troubles_of(self, citizen: Citizen) -> list[tuple[datetime, datetime]]:
        shared = self.troubles.get(citizen.scenario.provider, [])
        return [*citizen.troubles, *shared, *self.troubles[""]]

    def begin(self, trouble: Trouble) -> None:
        kind = KINDS[trouble.kind]
        if kind.scope is Scope.CREDENTIAL:
            journal = self.citizens[trouble.target].journal
            journal.append((self.time.at, trouble.kind, f"until {trouble.until:%d %H:%M:%S}"))
        if trouble.kind in ON_REQUESTS and kind.scope is Scope.CREDENTIAL:
            self.citizens[trouble.target].next_request.append(trouble)
        elif trouble.kind in ("killed", "frozen", "suspended"):
            self.citizens[trouble.target].next_walk.append(trouble)
        else:
            self.watch.tally.met[trouble.kind] += 1
            self._begin(trouble)

    def _begin(self, trouble: Trouble) -> None:
        if trouble.kind in ON_REQUESTS:
            self._weather(trouble)
        elif trouble.kind == "aws_lost_reply":
            self._trouble("", trouble.at, trouble.at)
            self.aws.lose_a_reply(trouble.draw)
        elif trouble.kind.startswith("aws_"):
            if trouble.kind != "aws_lag":  # which nobody's token need die of
                self._trouble("", trouble.at, trouble.until)
            self.aws.begin(trouble)
            self.at(trouble.until, lambda: self.aws.end(trouble.kind))
        else:
            getattr(self, f"_{trouble.kind}")(trouble)

    def _weather(self, trouble: Trouble) -> None:
        self._trouble(trouble.target, trouble.at, trouble.until)
        struck = [c for c in self.citizens.values() if c.scenario.provider == trouble.target]
        for citizen in struck:
            citizen.weather[trouble.kind] = trouble
        self.at(trouble.until, lambda: _clear_up(struck, trouble.kind))

    def _provider_skew(self, trouble: Trouble) -> None:
        self._skews[trouble.target] = (2 * trouble.draw - 1) * 10 * MINUTE
        self.at(trouble.until, lambda: self._skews.update({trouble.target: timedelta(0)}))

    def _worker_skew(self, trouble: Trouble) -> None:
        self.worker.clock.skew = (2 * trouble.draw - 1) * 50 * SECOND
        self.at(trouble.until, lambda: setattr(self.worker.clock, "skew", timedelta(0)))

    def _kms_denied(self, trouble: Trouble) -> None:
        """The worker that runs has its keys; whoever starts waits."""
        self._kms_denied_until = trouble.until

    def _lifespan(self, trouble: Trouble) -> None:
        """24 hours become two, or less."""
        fake = self.citizens[trouble.target].fake
        name = "session_lifespan" if hasattr(fake, "session_lifespan") else "access_lifespan"
        usual = getattr(fake, name)
        setattr(fake, name, (2 * HOUR, HOUR, 40 * MINUTE)[int(trouble.draw * 3)])
        self.at(trouble.until, lambda: setattr(fake, name, usual))

    # People, and other workers

    def _edited(self, trouble: Trouble) -> None:
        self.citizens[trouble.target].edited("edited")

    def _password_changed(self, trouble: Trouble) -> None:
        people.change_password(self.citizens[trouble.target], f"changed {trouble.draw}")

    def _revoked_access(self, trouble: Trouble) -> None:
        citizen = self.citizens[trouble.target]
        people.revoke_access(citizen, self.watch.fields(citizen, Shelf.TOKEN).get(ACCESS_TOKEN, ""))

    def _revoked_refresh(self, trouble: Trouble) -> None:
        citizen = self.citizens[trouble.target]
        people.revoke_refresh(citizen, self.watch.kept(citizen))

    def _foreign_writer(self, trouble: Trouble) -> None:
        citizen = self.citizens[trouble.target]
        try:
            people.refresh_beside(self.worker.tools(citizen), citizen, self.watch.kept(citizen))
        except RotatorError:
            return

    def _second_worker(self, trouble: Trouble) -> None:
        """On a ledger of its own; it does not know the first."""
        citizen = self.citizens[trouble.target]
        citizen.causes.add("a second worker on another ledger")
        citizen.two_ledgers = True
        ledger = SqlLedger.in_memory()
        self._enrol(ledger, [citizen])
        self.beside[citizen.name] = Worker(self, ledger, "beside")
        self.at(trouble.until, lambda: self._take_away(citizen))

    def _take_away(self, citizen: Citizen) -> None:
        citizen.two_ledgers = False
        second = self.beside.pop(citizen.name, None)
        if second is not None:
            second.ledger.close()

    def _restored(self, trouble: Trouble) -> None:
        database = self.worker.ledger._database._engine.raw_connection()  # noqa: SLF001 - a backup
        self._snapshot = database.driver_connection.serialize()  # type: ignore[union-attr]
        database.close()
        self.at(trouble.until, self._restore)

    def _restore(self) -> None:
        """Every worker stands, the copy is put back, every chain is adopted: the runbook."""
        began = self.time.at
        self._stop_the_frozen()
        self.worker.ledger.close()
        database = connect.in_memory()
        raw = database._engine.raw_connection()  # noqa: SLF001 - as above
        raw.driver_connection.deserialize(self._snapshot)  # type: ignore[union-attr]
        raw.close()
        self.worker.restart(SqlLedger(database))
        self.worker.ledger.free_all()
        for citizen in self.citizens.values():
            if citizen.credential.provider.is_chain:
                self._adopt(citizen)
        self._trouble("", began, self.time.at)

    def _adopt(self, citizen: Citizen) -> None:
        """Follow the remedies until it is done.

        What the lost ledger knew to be spent, the copy may not: then adopting cannot help asking.
        """
        citizen.spent_by_others |= not lives(citizen.fake, self.watch.kept(citizen))
        for _ in range(200):
            try:
                keyring.adopt(self.worker.tools(citizen), citizen.credential)
            except RotatorError as error:
                self.time.at += 2 * MINUTE
                if "first `rotator rotate" in str(error.remedy):
                    self.walk(self.worker, citizen)
            else:
                return

    def help(self, citizen: Citizen) -> None:
        """A person comes; again in an hour, where it did not work.

        Where it has mended itself they go home: what is yet to come of a request stays its cause.
        """
        citizen.help_comes = False
        rest = self.watch.of[citizen.name].rest
        if rest is None or rest.state is not State.NEEDS_A_PERSON:
            return
        self._take_away(citizen)
        self.worker.forget(citizen)
        helped = people.help_out(
            self.worker.tools(citizen), citizen, rest.text, f"{next(self._edits)}"
        )
        self.worker.forget(citizen)
        self.watch.after(citizen, self.time.at, None)
        if not helped:
            citizen.help_comes = True
            self.at(self.time.at + HOUR, lambda: self.help(citizen))
            return
        self.watch.tally.counts["helped by a person"] += 1
        citizen.helped_at = self.time.at
        if citizen.has_grant(self.watch.held(citizen)):  # whoever adopts a dead chain helps again
            citizen.causes.clear()
            citizen.spent_by_others = False


def _clear_up(citizens: Iterable[Citizen], kind: str) -> None:
    for citizen in citizens:
        citizen.weather.pop(kind, None)


def _line(event: Event) -> str:
    """A step or a rest, in a few words."""
    if event.stepped is not None:
        step = event.stepped
        return f"{step.step} {step.outcome} {step.reason} {step.text}".strip()
    assert event.rest is not None
    return f"rests as {event.rest.state} until {event.rest.due_at:%d %H:%M:%S}"
