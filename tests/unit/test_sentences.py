import pytest

from rotator.sentences import within


@pytest.mark.parametrize(
    ("alone", "inside"),
    [
        ("Put it under an allowed folder.", "put it under an allowed folder"),
        ("A lonely word", "a lonely word"),
        ("ROTATOR_ALLOWED_SEED_FOLDERS names no folder", None),
        ("AWS has no call for it", None),
        ("OAuth has it", None),
        ("e.g. this …", None),
        ("", None),
    ],
)
def test_a_sentence_within_another_has_neither_capital_nor_full_stop(
    alone: str, inside: str | None
) -> None:
    assert within(alone) == (alone if inside is None else inside)
