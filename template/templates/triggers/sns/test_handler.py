import json

import pytest
from app.handler import handler


def test_who_a_message_names_is_greeted(event, context):
    assert handler(event("event"), context) == {"messages": ["hello, Ada"]}


def test_a_message_that_is_no_json_is_an_error(event, context):
    with pytest.raises(json.JSONDecodeError):
        handler(event("bad-event"), context)
