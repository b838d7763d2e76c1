"""Where a kill costs a person's time, and nowhere else.

All rows say the same thing: a single-use token was presented, or may have been, the answer was
never sealed, no replay window is open, and no other grant is left. What differs is whether the
provider can be asked. If it can, only a request that it acted on is lost; if it cannot, a request
that was written down and perhaps never sent counts as lost too.
"""

from typing import NamedTuple


class Gap(NamedTuple):
    """From the first to the last of these effects, both included."""

    opens: str
    closes: str


ACTED_ON = Gap("after provider.send", "before ledger.seal")
PERHAPS_SENT = Gap("after ledger.write intent", "before ledger.seal")

NEEDS_A_PERSON: dict[tuple[str, str], Gap] = {
    # scenario, grant: the gap
    ("alation, SSO", "regenerate"): ACTED_ON,
    ("amino, refresh token on a server that remembers", "refresh_token"): PERHAPS_SENT,
    ("oauth2, refresh token", "refresh_token"): PERHAPS_SENT,
    ("oauth2, refresh token, introspection", "refresh_token"): ACTED_ON,
}
