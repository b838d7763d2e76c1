"""The driver gets what SQLAlchemy compiled, with its parameters by name, in either dialect."""

import re
from typing import Any

import pytest
from sqlalchemy import Dialect, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from rotator.ledger import queries
from rotator.ledger.statements import Connection
from rotator.ledger.tables import credential

_c = credential.c
_FENCED = update(credential).where(_c.name == bindparam("credential_")).values(fence=_c.fence + 1)


class Cursor:
    """A driver's cursor that only listens."""

    rowcount = 1
    description = (("name",),)

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def execute(self, sql: str, given: Any) -> None:
        self.heard.append((" ".join(sql.split()), dict(given)))

    def executemany(self, sql: str, given: Any) -> None:
        self.heard.append((" ".join(sql.split()), list(given)))

    def fetchall(self) -> list[tuple[str]]:
        return []


_WHERE = "WHERE credential.name ="
_AS_SQLITE = f"SET job=:job, fence=(credential.fence + :fence_1) {_WHERE} :credential_"
_AS_PSYCOPG = f"SET job=%(job)s, fence=(credential.fence + %(fence_1)s) {_WHERE} %(credential_)s"


@pytest.mark.parametrize(
    ("dialect", "asked"),
    [
        (sqlite.dialect(paramstyle="named"), _AS_SQLITE),
        (postgresql.dialect(paramstyle="pyformat"), _AS_PSYCOPG),  # type: ignore[no-untyped-call]
    ],
    ids=["sqlite", "postgresql"],
)
def test_parameters_go_to_the_driver_by_name_with_what_the_statement_itself_says(
    dialect: Dialect, asked: str
) -> None:
    cursor = Cursor()
    given = {"credential_": "a/b", "job": "a"}
    assert Connection(cursor, dialect).execute(_FENCED, given) == 1
    ((sql, parameters),) = cursor.heard
    assert re.sub("::[A-Z]+", "", sql) == f"UPDATE credential {asked}"
    assert parameters == {"fence_1": 1, **given}


def test_what_is_given_for_several_rows_goes_to_the_driver_at_once() -> None:
    cursor = Cursor()
    connection = Connection(cursor, sqlite.dialect(paramstyle="named"))
    connection.execute(_FENCED, [{"credential_": "a/b"}, {"credential_": "a/c"}])
    assert [given for _, given in cursor.heard] == [
        [{"fence_1": 1, "credential_": "a/b"}, {"fence_1": 1, "credential_": "a/c"}]
    ]


def test_a_list_that_a_statement_holds_is_spelled_out() -> None:
    cursor = Cursor()
    connection = Connection(cursor, sqlite.dialect(paramstyle="named"))
    assert connection.scalar(select(_c.job).where(_c.name.in_(["a/b", "a/c"]))) is None
    ((sql, given),) = cursor.heard
    assert sql.endswith("WHERE credential.name IN (:name_1_1, :name_1_2)")
    assert given == {"name_1_1": "a/b", "name_1_2": "a/c"}


def test_a_look_at_a_credential_gives_its_name_and_nothing_by_which_an_index_is_chosen() -> None:
    """SQLite compiles a statement anew at each run where a parameter decides on a partial index."""
    cursor = Cursor()
    assert queries.look(Connection(cursor, sqlite.dialect(paramstyle="named")), "a/b") is None
    ((sql, given),) = cursor.heard
    assert given == {"credential_": "a/b"}
    assert "spent.because != 'answered'" in sql
