from app.handler import handler


def test_a_batch_whose_changes_are_all_good_reports_no_failure(event, context):
    assert handler(event("event"), context) == {"batchItemFailures": []}


def test_a_change_that_fails_is_reported_by_its_sequence_number(event, context):
    failed = {"itemIdentifier": "111100000000000000000002"}

    assert handler(event("bad-event"), context) == {"batchItemFailures": [failed]}
