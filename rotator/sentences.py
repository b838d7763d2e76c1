"""Texts that stand alone as sentences, put into others. Pure."""


def within(sentence: str) -> str:
    """As part of another: no capital, and no full stop at the end.

    A first word that is a name keeps its capitals: AWS, OAuth, ROTATOR_STATE_DIR.
    """
    first = sentence[:1]
    if sentence[1:2].islower() or sentence.startswith("A "):
        first = first.lower()
    return (first + sentence[1:]).removesuffix(".")
