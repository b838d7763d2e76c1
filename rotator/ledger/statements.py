"""What SQLAlchemy Core has built and compiled, run by the database's own driver.

SQLAlchemy's way through one `execute` costs ten times what SQLite takes for the statement, and a
rotation makes dozens. So each statement is compiled once, by SQLAlchemy and for the dialect at
hand, and then goes straight to the driver's cursor. Every driver that we mean to have takes
parameters by name (`:name` in SQLite, `%(name)s` in psycopg), and our columns are of types that
they all take and give as they are: whole numbers, text and bytes.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy
from sqlalchemy import Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler

Given = Mapping[str, Any]
"""Values by the names of a statement's parameters, or of columns to be set."""

_NOTHING: Given = {}


@dataclass(slots=True)
class _Compiled:
    """A statement in the driver's words."""

    sql: str
    constants: Given
    """What the statement itself says: the 1 in `fence + 1`."""
    row: Callable[[Sequence[Any]], Any] | None = None
    """Makes rows whose columns have names; known once it has run."""

    def named(self, description: Sequence[Sequence[Any]]) -> Callable[[Sequence[Any]], Any]:
        if self.row is None:
            names = [column[0] for column in description]
            row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024
            self.row = row._make
        return self.row


@lru_cache(maxsize=512)
def _compiled(statement: Executable, names: tuple[str, ...], dialect: Dialect) -> _Compiled:
    """`names`: of what will be given. An insert or an update sets those that are columns."""
    made = statement.compile(  # type: ignore[attr-defined]
        dialect=dialect,
        column_keys=list(names),
        compile_kwargs={"render_postcompile": True},
    )
    assert isinstance(made, SQLCompiler)  # noqa: S101 - what a statement compiles to
    constants = {name: value for name, value in made.params.items() if name not in names}
    return _Compiled(str(made), constants)


class Connection:
    """One transaction, begun by whoever made this, and ended by them. Raises what drivers raise."""

    __slots__ = ("_cursor", "_dialect")

    def __init__(self, cursor: Any, dialect: Dialect) -> None:
        """`cursor`: the driver's own."""
        self._cursor, self._dialect = cursor, dialect

    def execute(self, statement: Executable, given: Given | Sequence[Given] = _NOTHING) -> int:
        """How many rows it has changed. Once for each of several that are given alike."""
        if isinstance(given, Mapping):
            self._run(statement, given)
        else:
            compiled = _compiled(statement, tuple(given[0]), self._dialect)
            self._cursor.executemany(compiled.sql, [{**compiled.constants, **one} for one in given])
        changed: int = self._cursor.rowcount
        return changed

    def all(self, statement: Executable, given: Given = _NOTHING) -> list[Any]:
        """Every row, its columns by place and by name."""
        compiled = self._run(statement, given)
        row = compiled.named(self._cursor.description)
        return [row(found) for found in self._cursor.fetchall()]

    def first(self, statement: Executable, given: Given = _NOTHING) -> Any:
        """One row, None where there is none."""
        rows = self.all(statement, given)
        return rows[0] if rows else None

    def column(self, statement: Executable, given: Given = _NOTHING) -> list[Any]:
        """The first column of every row."""
        self._run(statement, given)
        return [found[0] for found in self._cursor.fetchall()]

    def scalar(self, statement: Executable, given: Given = _NOTHING) -> Any:
        """The first column of one row, None where there is none."""
        values = self.column(statement, given)
        return values[0] if values else None

    def _run(self, statement: Executable, given: Given) -> _Compiled:
        compiled = _compiled(statement, tuple(given), self._dialect)
        constants = compiled.constants
        self._cursor.execute(compiled.sql, {**constants, **given} if constants else given)
        return compiled


def on(connection: sqlalchemy.Connection) -> Connection:
    """The same transaction as SQLAlchemy's own."""
    return Connection(connection.connection.cursor(), connection.dialect)
