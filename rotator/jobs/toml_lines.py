"""At which line each value of a TOML file stands.

tomllib knows no lines once a file is read. tree-sitter knows them, and reads on where the file has
mistakes.
"""

import tomllib
from collections.abc import Iterator

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

DEEPEST = 32
"""Tables within tables."""

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value, from the file's top."""

_TOML = Language(tree_sitter_toml.language())


def lines_of(text: str) -> Iterator[tuple[Place, int]]:
    """Every place with its line, from 1 on; the tables that lead to it too."""
    return _Walk().lines(Parser(_TOML).parse(text.encode()).root_node)


class _Walk:
    """tree-sitter's nodes, turned into places."""

    def __init__(self) -> None:
        self._counts: dict[Place, int] = {}
        """How far each array of tables has come."""

    def lines(self, root: Node) -> Iterator[tuple[Place, int]]:
        for node in root.children:
            if node.type == "pair":
                yield from self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                yield from self._table(node)

    def _table(self, node: Node) -> Iterator[tuple[Place, int]]:
        base = self._header(_keys(node.named_children[0]), array=node.type != "table")
        yield from _leading((), base, node)
        for inner in node.named_children[1:]:
            if inner.type == "pair":
                yield from self._pair(inner, base)

    def _header(self, keys: Place, *, array: bool) -> Place:
        place: Place = ()
        for depth, key in enumerate(keys, start=1):
            place = (*place, key)
            if array and depth == len(keys):
                self._counts[place] = self._counts.get(place, -1) + 1
            if place in self._counts:
                place = (*place, self._counts[place])
        return place

    def _pair(self, node: Node, base: Place) -> Iterator[tuple[Place, int]]:
        place = (*base, *_keys(node.named_children[0]))
        yield from _leading(base, place, node)
        yield from self._value(node.named_children[-1], place)

    def _value(self, node: Node, place: Place) -> Iterator[tuple[Place, int]]:
        if len(place) > DEEPEST:
            return
        inner = [each for each in node.named_children if each.type not in ("comment", "ERROR")]
        if node.type == "inline_table":
            for pair in inner:
                yield from self._pair(pair, place)
        elif node.type == "array":
            for index, each in enumerate(inner):
                yield (*place, index), _line(each)
                yield from self._value(each, (*place, index))


def _leading(base: Place, place: Place, node: Node) -> Iterator[tuple[Place, int]]:
    """A place and the tables on the way to it, which may stand nowhere else."""
    for end in range(len(base) + 1, min(len(place), DEEPEST + 1) + 1):
        yield place[:end], _line(node)


def _line(node: Node) -> int:
    return node.start_point.row + 1


def _keys(node: Node) -> Place:
    """The parts of a key, which may be dotted; without recursion, as dots nest to the left."""
    ahead, keys = [node], []
    while ahead:
        each = ahead.pop()
        if each.type == "dotted_key":
            ahead += each.named_children
        else:
            keys.append(_key((each.text or b"").decode(errors="replace"), each.type))
    return tuple(reversed(keys))


def _key(text: str, kind: str) -> str:
    if kind != "quoted_key":
        return text
    try:
        return next(iter(tomllib.loads(f"{text} = 0")))
    except tomllib.TOMLDecodeError:
        return text
