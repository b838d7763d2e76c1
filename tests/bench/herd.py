"""2,000 credentials due in the same second, and a provider that takes 100 ms."""

from datetime import timedelta

from rotator.model import ACCESS_TOKEN
from rotator.sandbox.fakes import late
from rotator.sandbox.secrets_manager_faults import AWS_RATES
from tests.bench.town import cpu_seconds, names, town, until

SIZES = {"alation": 500, "albato": 500, "amino": 500, "oauth2": 500}
BUDGETS = (20, 45)
LATENCY = timedelta(milliseconds=100)


def run() -> int:
    return max(_herd(budget) for budget in BUDGETS)


def _herd(budget: int) -> int:
    every = names(SIZES)
    with town(SIZES, ROTATOR_WRITE_BUDGET=str(budget)) as stage:
        for fake in stage.cast.fakes.values():
            fake.fail_next("*", late(LATENCY), times=10 * len(every))
        worker = stage.start_worker()
        waiting = set(every)

        def done() -> bool:
            waiting.difference_update(
                [name for name in waiting if stage.aws.newest(name, ACCESS_TOKEN)]
            )
            return not waiting

        took = until(done, worker, stage, every=0.2)
        cpu, most = cpu_seconds(worker.pid), stage.aws.most_in_a_second
        twice = stage.cast.presented_twice
        worker.end()
    print(
        f"{len(every)} due at once, {budget} writes a second allowed: {len(waiting)} dropped,"
        f" {took:.0f} s, {stage.aws.written} writes, at most {most} in any"
        f" second by the fake's own count; {cpu:.0f} s of CPU; presented twice: {twice}"
    )
    return int(bool(waiting) or twice > 0 or most > AWS_RATES["writes"])
