"""Whether a provider can be connected to: the way a request would go, and not a byte of one."""

from contextlib import closing
from datetime import timedelta
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from rotator.clock import Clock
from rotator.providers.wire import Attempt, Failed, Wire, check, literal

_PORTS = {"https": 443, "http": 80}
_LONGEST = timedelta(seconds=10)


def reach(origin: str, clock: Clock, timeout: timedelta) -> str:
    """Why scheme://host[:port] cannot be reached; empty: it can. Addresses are checked as ever.

    Behind a proxy only the proxy itself is connected to: it alone resolves the provider's name.
    """
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
    proxy = "" if parts.scheme == "http" or proxy_bypass(host) else getproxies().get("https", "")
    if proxy:
        seen = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        problem = _connected("", seen.hostname or "", seen.port or 8080, clock, timeout)
        return f"the proxy: {problem}" if problem else ""
    return _connected(host, host, port, clock, timeout, tls=parts.scheme == "https")


def _connected(
    checked: str, host: str, port: int, clock: Clock, timeout: timedelta, *, tls: bool = False
) -> str:
    """`checked`: the host whose addresses must be no cloud's metadata service."""
    wire = Wire(clock)
    seconds = min(timeout, _LONGEST).total_seconds()
    wire.begin(Attempt(clock.monotonic() + seconds, checked, plain=not tls))
    try:
        if checked and (address := literal(checked)):
            check(address)
        with closing(wire.connect_tcp(host, port)) as stream:
            if tls:
                stream.start_tls(httpx.create_ssl_context(), server_hostname=host).close()
    except Failed as failed:
        return str(failed)
    except httpcore.ConnectTimeout:
        return "connecting took too long"
    except httpcore.ConnectError:
        return "connecting failed"
    finally:
        wire.begin(None)
    return ""
