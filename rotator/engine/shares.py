"""How many threads one provider may hold: one that hangs leaves some to the others. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rotator.jobs.job import Job

_KEPT_FREE = 4
"""One thread in so many is kept for other providers than the busiest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Who works at which provider, by the job files as they are now."""

    slots: int
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Job -> the host of its provider."""
    most: Mapping[str, int] = field(default_factory=dict)
    """Host -> what its jobs allow at once, where one says so."""

    @classmethod
    def of(cls, jobs: Iterable[Job], slots: int) -> "Shares":
        """The strictest job speaks for its host."""
        hosts: dict[str, str] = {}
        most: dict[str, int] = {}
        for job in jobs:
            for credential in job.credentials[:1]:  # they share the job's address and limits
                host = hosts[job.name] = credential.provider.host
                at_once = credential.limits.at_once
                if at_once is not None:
                    most[host] = min(at_once, most.get(host, at_once))
        return cls(slots=slots, hosts=hosts, most=most)

    def host(self, name: str) -> str:
        """Of a credential by its qualified name, or of a job; empty where no job file has it."""
        return self.hosts.get(name.partition("/")[0], "")

    def threads(self, host: str) -> int:
        """How many may work for this host at once: all, if there is no other to be held up."""
        alone = len(set(self.hosts.values())) < 2
        share = self.slots if alone else self.slots - max(1, self.slots // _KEPT_FREE)
        return max(1, min(share, self.most.get(host, share)))
