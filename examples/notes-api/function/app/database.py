"""The connection to PostgreSQL. An execution environment of Lambda answers one request at a time: it needs one."""

import os
from collections.abc import Iterator

import psycopg
from aws_lambda_powertools.utilities import parameters
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

_SCHEMA = "CREATE TABLE IF NOT EXISTS notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL)"
_SCHEMA_LOCK = 7_701  # two first requests at once may not both make the table
_open: Connection[DictRow] | None = None


def connection() -> Iterator[Connection[DictRow]]:
    """Give a request the connection, in a transaction of its own."""
    global _open
    if _open is None or _open.closed:
        _open = _connect()
    try:
        with _open.transaction():
            yield _open
    except psycopg.OperationalError:  # the server ended it; the next request connects anew
        _open.close()
        raise


def _connect() -> Connection[DictRow]:
    opened = psycopg.connect(_url(), autocommit=True, connect_timeout=3, row_factory=dict_row)
    with opened.transaction():
        opened.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
        opened.execute(_SCHEMA)
    return opened


def _url() -> str:
    """Read the secret that `function.secrets` names. Powertools keeps it for five minutes."""
    reference = os.environ["DATABASE_URL"]  # ssm:/notes-api/staging/database-url
    return str(parameters.get_parameter(reference.removeprefix("ssm:"), decrypt=True, max_age=300))
