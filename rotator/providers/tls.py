"""TLS to providers and notified machines: whom we believe, how old a protocol may be, who we are.

Certificates are always verified. Authorities are Mozilla's (certifi), or those of SSL_CERT_FILE or
SSL_CERT_DIR in their place, and beside them a company's own. A client certificate is offered to the
hosts that it is for and to no other.
"""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import certifi

from rotator.errors import BadSettings

OLDEST = ssl.TLSVersion.TLSv1_2


@dataclass(frozen=True)
class Trust:
    """One for all threads. Its contexts are made once: a new certificate wants a new worker."""

    authorities: Path | None = None
    """A PEM file of authorities to believe beside the usual ones."""
    certificate: Path | None = None
    """A PEM file with our own certificate, its chain, and perhaps its key."""
    key: Path | None = None
    """Its key, unencrypted, where the certificate's file does not hold it."""
    presented_to: Callable[[str], bool] = lambda _: True
    """Which hosts the certificate is for."""
    authorities_from: str = "ROTATOR_TLS_CA_FILE"
    """The variable that names their file."""

    def ready(self) -> None:
        """Read all files now. Raises BadSettings, which names the file."""
        self._plain  # noqa: B018 - made and kept
        if self.certificate is not None:
            self._with_certificate  # noqa: B018 - likewise

    def context(self, host: str) -> ssl.SSLContext:
        """For a connection to that host."""
        ours = self.certificate is not None and self.presented_to(host)
        return self._with_certificate if ours else self._plain

    @cached_property
    def _plain(self) -> ssl.SSLContext:
        return _usual() if self.authorities is None else self._anonymous()

    def _anonymous(self) -> ssl.SSLContext:
        """A new one, which shows no certificate."""
        made = _system()
        if self.authorities is not None:
            try:
                made.load_verify_locations(cafile=self.authorities)
            except (OSError, ssl.SSLError):
                raise BadSettings(
                    f"{self.authorities}: no certificates can be read from it",
                    remedy=f"{self.authorities_from} is a PEM file of authorities",
                ) from None
        return made

    @cached_property
    def _with_certificate(self) -> ssl.SSLContext:
        made = self._anonymous()
        certificate = self.certificate or Path()  # there is one, or nobody asks for this
        key = self.key or certificate
        _refuse_open(key)
        try:
            made.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError):
            raise BadSettings(
                f"{self.certificate}: certificate and key cannot be read, or are not a pair",
                remedy="ROTATOR_TLS_CLIENT_CERT is a PEM file with the certificate and its chain,"
                " ROTATOR_TLS_CLIENT_KEY one with its key, without a passphrase",
            ) from None
        return made


@cache
def _usual() -> ssl.SSLContext:
    """For whoever believes no more than the system: its authorities take 26 ms to read."""
    return _system()


def _system() -> ssl.SSLContext:
    """What httpx would make, which is a long way to go for that: it takes 40 ms to load."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or not folder:
        made = ssl.create_default_context(cafile=file or certifi.where())
    else:
        made = ssl.create_default_context(capath=folder)
    made.minimum_version = OLDEST
    return made


def _refuse_open(key: Path) -> None:
    """A key that others on this machine may read, or change, is theirs too."""
    try:
        mode = key.stat().st_mode
    except OSError:
        return  # said by whoever reads it
    if mode & 0o027:
        raise BadSettings(f"{key}: the key is open to others", remedy="chmod 640 or 600 it")


def _no_password() -> str:
    """Without this OpenSSL would ask on the terminal."""
    raise ValueError("an encrypted key")
