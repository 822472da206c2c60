import pytest
from app.handler import handler


def test_a_message_is_greeted(event, context):
    assert handler(event("event"), context) == {"messages": ["hello, Ada"]}


def test_any_other_event_is_an_error(event, context):
    with pytest.raises(KeyError):
        handler(event("bad-event"), context)
