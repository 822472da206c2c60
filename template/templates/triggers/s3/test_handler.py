import pytest
from app.handler import handler


def test_whom_an_object_is_named_after_is_greeted(event, context):
    assert handler(event("event"), context) == {"messages": ["hello, Ada Lovelace"]}


def test_an_object_without_a_name_is_an_error(event, context):
    with pytest.raises(ValueError, match="names nobody"):
        handler(event("bad-event"), context)
