import pytest
from app.handler import handler


def test_who_an_event_names_is_greeted(event, context):
    assert handler(event("event"), context) == {"message": "hello, Ada"}


def test_an_event_without_a_name_is_an_error(event, context):
    with pytest.raises(KeyError, match="name"):
        handler(event("bad-event"), context)
