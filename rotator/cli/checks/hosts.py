"""Whether providers can be connected to: the way a request would go, and not a byte of one."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from ssl import SSLContext
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from rotator.cli.checks.findings import FAIL, OK, Finding
from rotator.cli.opening import House
from rotator.clock import Clock
from rotator.engine import assembly
from rotator.jobs.job import Credential
from rotator.providers.tls import Trust
from rotator.providers.wire import Attempt, Failed, Networks, Wire

_PORTS = {"https": 443, "http": 80}
_LONGEST = timedelta(seconds=10)
_REACH = "see the address in the job file, DNS, the proxy and the firewall"


def reached(house: House, chosen: Sequence[Credential]) -> Iterator[Finding]:
    """Each host once, for every job that wants it."""
    hosts: dict[str, dict[str, None]] = {}
    for each in chosen:
        hosts.setdefault(each.provider.host, {})[each.job] = None
    for host, jobs in sorted(hosts.items()):
        problem = reach(
            host,
            house.clock,
            house.settings.request_timeout,
            assembly.trust_of(house.settings),
            house.settings.allowed_addresses,
        )
        for job in jobs:
            yield Finding(
                level=FAIL if problem else OK,
                part=job,
                about=host,
                what="provider",
                text=f"{host}: {problem or 'can be connected to'}",
                remedy=_REACH if problem else "",
            )


def reach(
    origin: str,
    clock: Clock,
    timeout: timedelta,
    trust: Trust | None = None,
    allowed: Networks = (),
) -> str:
    """Why scheme://host[:port] cannot be reached; empty: it can. Addresses are checked as ever.

    Behind a proxy only the proxy itself is connected to: it alone resolves the provider's name.
    """
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
    proxy = "" if parts.scheme == "http" or proxy_bypass(host) else getproxies().get("https", "")
    ends = clock.monotonic() + min(timeout, _LONGEST).total_seconds()
    wire = Wire(clock, allowed)
    if proxy:
        seen = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        place = (seen.hostname or "", seen.port or 8080)
        problem = _connected(wire, Attempt(ends, "", plain=True), place)
        return f"the proxy: {problem}" if problem else ""
    secured = (trust or Trust()).context(host) if parts.scheme == "https" else None
    return _connected(wire, Attempt(ends, host, plain=not secured), (host, port), secured)


def _connected(
    wire: Wire, attempt: Attempt, place: tuple[str, int], secured: SSLContext | None = None
) -> str:
    wire.begin(attempt)
    try:
        with closing(wire.connect_tcp(*place)) as stream:
            if secured:
                stream.start_tls(secured, server_hostname=place[0]).close()
    except Failed as failed:
        return str(failed)
    except httpcore.ConnectTimeout:
        return "connecting took too long"
    except httpcore.ConnectError:
        return "connecting failed"
    finally:
        wire.begin(None)
    return ""
