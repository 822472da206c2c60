"""The API: notes that are written, listed and read."""

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from psycopg import Connection
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from app import database

api = FastAPI(title="Notes")
Database = Annotated[Connection[DictRow], Depends(database.connection)]


class NewNote(BaseModel):
    """A note as it is sent."""

    text: str = Field(min_length=1, max_length=2000)


class Note(NewNote):
    """A note as it is kept."""

    id: int


@api.get("/health")
def health(connected: Database) -> dict[str, str]:
    """Say that the database answers. A release is tested by this before it gets traffic."""
    connected.execute("SELECT 1")
    return {"database": "ok"}


@api.post("/notes", status_code=201)
def write(note: NewNote, connected: Database) -> Note:
    """Keep a note."""
    row = connected.execute("INSERT INTO notes (text) VALUES (%s) RETURNING id, text", (note.text,)).fetchone()
    return Note.model_validate(row)


@api.get("/notes")
def notes(connected: Database, limit: int = 20) -> list[Note]:
    """List the newest notes."""
    rows = connected.execute("SELECT id, text FROM notes ORDER BY id DESC LIMIT %s", (min(limit, 100),))
    return [Note.model_validate(row) for row in rows]


@api.get("/notes/{number}")
def read(number: int, connected: Database) -> Note:
    """Return one note."""
    row = connected.execute("SELECT id, text FROM notes WHERE id = %s", (number,)).fetchone()
    if row is None:
        raise HTTPException(404, f"there is no note {number}")
    return Note.model_validate(row)
