import pytest
from app.handler import handler


def test_the_schedule_runs_the_work(event, context):
    assert handler(event("event"), context) == {"message": "hello from 2026-01-01T12:00:00Z"}


def test_any_other_event_is_an_error(event, context):
    with pytest.raises(ValueError, match="no event of a schedule"):
        handler(event("bad-event"), context)
