"""What `check` says of the sealing key: that it opens this ledger, or could be made."""

from collections.abc import Iterator

from rotator.cli.checks.findings import FAIL, MACHINE, NOTE, OK, Finding
from rotator.cli.opening import House
from rotator.engine import assembly
from rotator.errors import RotatorError
from rotator.ledger.keyfile import read_key
from rotator.ledger.unlocking import held_by, unlock
from rotator.store.kms import KmsKey

_WHAT = "sealing key"


def sealing_key(house: House, *, offline: bool) -> Iterator[Finding]:
    """Changes nothing: KMS may be asked for a key that nobody keeps."""
    settings = house.settings
    about = settings.seal_kms_key or str(settings.key_file)
    try:
        if settings.seal_kms_key:
            if not offline:
                yield from _of_kms(house, about)
        elif settings.key_file.exists():
            read_key(settings.key_file)
            yield _found(OK, about, f"{about} can be read by its owner alone")
        elif house.has_ledger:
            remedy = "put back the key file that belongs to this ledger"
            yield _found(FAIL, about, f"{about} is not there", remedy)
            return
        else:
            yield _found(OK, about, f"the first start makes the key {about}")
            return
        yield from _of_ledger(house, about, offline=offline)
    except RotatorError as error:
        yield _found(FAIL, about, error.text, error.remedy)


def _found(level: str, about: str, text: str, remedy: str = "") -> Finding:
    return Finding(level=level, part=MACHINE, about=about, what=_WHAT, text=text, remedy=remedy)


def _of_kms(house: House, about: str) -> Iterator[Finding]:
    """Whether new keys are wrapped, and by the key that holds the ledger's."""
    holder = KmsKey(about)
    try:
        _, _, arn = holder.new_key(("check", "check"))
    finally:
        holder.close()
    yield _found(OK, about, f"KMS makes keys, as {arn}")
    now_by = _held_by(house)
    if now_by.startswith("arn:") and now_by != arn:
        text = f"the ledger's key is held by {now_by}"
        yield _found(NOTE, about, text, f"`rotator rekey` moves it to {arn}")


def _of_ledger(house: House, about: str, *, offline: bool) -> Iterator[Finding]:
    """Whether what the settings name opens the ledger that is there."""
    now_by = _held_by(house)
    if not now_by or (offline and now_by.startswith("arn:")):
        return
    with house.ledger() as ledger, assembly.open_key_holder(house.settings) as holder:
        unlock(ledger, holder, house.clock.now())
    yield _found(OK, about, "the sealing key opens the ledger")


def _held_by(house: House) -> str:
    if not house.has_ledger:
        return ""
    with house.ledger() as ledger:
        return held_by(ledger)
