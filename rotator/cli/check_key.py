"""What `check` says of the sealing key: that it opens this ledger, or could be made."""

from collections.abc import Iterator

from rotator.cli.checking import ERROR, NOTE, OK, Finding
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
            yield Finding(OK, about, _WHAT, "readable by its owner alone")
        else:
            level = ERROR if house.ledger_path.exists() else NOTE
            yield Finding(level, about, _WHAT, "there is none; the first start makes one")
            return
        yield from _of_ledger(house, about, offline=offline)
    except RotatorError as error:
        yield Finding(ERROR, about, _WHAT, str(error))


def _of_kms(house: House, about: str) -> Iterator[Finding]:
    """Whether new keys are wrapped, and by the key that holds the ledger's."""
    holder = KmsKey(about)
    try:
        _, _, arn = holder.new_key(("check", "check"))
    finally:
        holder.close()
    yield Finding(OK, about, _WHAT, f"makes keys, as {arn}")
    now_by = _held_by(house)
    if now_by.startswith("arn:") and now_by != arn:
        text = f"the ledger's key is held by {now_by}; `rotator rekey` moves it to {arn}"
        yield Finding(NOTE, about, _WHAT, text)


def _of_ledger(house: House, about: str, *, offline: bool) -> Iterator[Finding]:
    """Whether what the settings name opens the ledger that is there."""
    now_by = _held_by(house)
    if not now_by or (offline and now_by.startswith("arn:")):
        return
    with house.ledger() as ledger, assembly.open_key_holder(house.settings) as holder:
        unlock(ledger, holder, house.clock.now())
    yield Finding(OK, about, _WHAT, "opens the ledger")


def _held_by(house: House) -> str:
    if not house.ledger_path.exists():
        return ""
    with house.ledger() as ledger:
        return held_by(ledger)
