from app.handler import handler


def test_good_messages_leave_the_queue(event, context):
    assert handler(event("event"), context) == {"batchItemFailures": []}


def test_only_the_message_that_fails_goes_back(event, context):
    assert handler(event("bad-event"), context) == {
        "batchItemFailures": [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]
    }
