import json
from contextlib import contextmanager

import pytest
from app import database
from app.api import api
from app.handler import handler


class Notes:
    """Stands for PostgreSQL: it knows the statements that the API sends."""

    def __init__(self):
        self.kept = []

    def execute(self, statement, values=()):
        rows = list(reversed(self.kept))
        if statement.startswith("INSERT"):
            self.kept.append({"id": len(self.kept) + 1, "text": values[0]})
            rows = self.kept[-1:]
        elif "WHERE id" in statement:
            rows = [row for row in self.kept if row["id"] == values[0]]
        return Rows(rows)


class Rows(list):
    def fetchone(self):
        return self[0] if self else None


@pytest.fixture(autouse=True)
def notes():
    kept = Notes()
    api.dependency_overrides[database.connection] = lambda: kept
    yield kept
    api.dependency_overrides.clear()


def answer(event, context):
    response = handler(event, context)
    return response["statusCode"], json.loads(response["body"])


def request(event, method, path):
    http = event["requestContext"]["http"] | {"method": method, "path": path}
    return event | {"rawPath": path, "body": "", "requestContext": event["requestContext"] | {"http": http}}


def test_a_note_is_kept_listed_and_read(event, context):
    assert answer(event("event"), context) == (201, {"text": "buy milk", "id": 1})
    assert answer(request(event("event"), "GET", "/notes/1"), context) == (200, {"text": "buy milk", "id": 1})
    assert answer(request(event("event"), "GET", "/notes"), context) == (200, [{"text": "buy milk", "id": 1}])


def test_an_empty_note_is_refused(event, context, notes):
    assert handler(event("bad-event"), context)["statusCode"] == 422
    assert notes.kept == []


def test_a_note_that_is_not_there_is_not_found(event, context):
    assert answer(request(event("event"), "GET", "/notes/7"), context)[0] == 404


class Ended:
    """A connection that the server has ended."""

    closed = False

    @contextmanager
    def transaction(self):
        raise database.psycopg.OperationalError("the server closed the connection")
        yield

    def close(self):
        self.closed = True


def test_a_connection_that_the_server_ended_is_not_used_again(monkeypatch):
    ended = Ended()
    monkeypatch.setattr(database, "_open", ended)
    with pytest.raises(database.psycopg.OperationalError):
        next(database.connection())
    assert ended.closed
