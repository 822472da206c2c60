"""How many calls of the function under test go out at once, and what becomes of those that Lambda turns away."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.pipeline import FUNCTION, Context, refusal, release, target

THROTTLED = refusal("TooManyRequestsException", 429)


@pytest.fixture(autouse=True)
def pauses(pipeline, monkeypatch):
    """No pause takes time; the list has them."""
    pipeline.concurrency._account.cache_clear()
    taken = []
    monkeypatch.setattr(pipeline.concurrency.time, "sleep", taken.append)
    return taken


@pytest.mark.parametrize(
    ("account", "reserved", "width"),
    [(1000, None, 8), (40, None, 8), (20, None, 4), (10, None, 2), (3, None, 1), (1000, 5, 1), (1000, 0, 1)],
)
def test_a_fifth_of_what_there_is_is_used(pipeline, account, reserved, width):
    pipeline.aws.lambda_.concurrency, pipeline.aws.lambda_.reserved = account, reserved
    assert pipeline.concurrency.width(FUNCTION) == width


def test_an_account_that_does_not_say_is_taken_for_a_new_one(pipeline):
    def denied():
        raise refusal("AccessDeniedException", 403)

    pipeline.aws.lambda_.get_account_settings = denied
    assert pipeline.concurrency.width(FUNCTION) == 2


def test_no_more_than_the_width_are_under_way_at_once(pipeline):
    pipeline.aws.lambda_.concurrency = 10
    limiter, lock, busy, most = pipeline.concurrency.Limiter(FUNCTION), threading.Lock(), [0], [0]
    pair = threading.Barrier(2, timeout=60)

    def act():
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        pair.wait()  # two do go out together
        with lock:
            busy[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: limiter(act), range(16)))
    assert most == [2]


def throttled(aws, times):
    """Have Lambda turn away so many calls."""
    invoke, left = aws.lambda_.invoke, [times]

    def turned_away(**request):
        if left[0]:
            left[0] -= 1
            raise THROTTLED
        return invoke(**request)

    aws.lambda_.invoke = turned_away


def call(pipeline, action, **more):
    pipeline.aws.lambda_.aliases[FUNCTION]["FunctionVersion"] = "8"
    event = {"action": action, "release": release(), "target": target(), "version": "8", "previous_version": "7"}
    return pipeline.verify.handler(event | {"baked": 0} | more, Context())


@pytest.mark.parametrize("action", ["version", "alias", "probe"])
@pytest.mark.parametrize("times", [1, 4])
def test_a_call_that_was_turned_away_is_made_again_and_is_no_failure(pipeline, pauses, action, times):
    throttled(pipeline.aws, times)
    assert call(pipeline, action)
    assert pauses


def test_after_a_call_that_was_turned_away_the_others_go_one_by_one(pipeline):
    limiter = pipeline.concurrency.Limiter(FUNCTION)
    answers = iter([THROTTLED])

    def act():
        for error in answers:
            raise error

    limiter(act)
    assert limiter._width == 1


@pytest.mark.parametrize("action", ["version", "alias", "probe"])
def test_an_account_without_room_is_tried_again_later_and_never_called_the_version_s_fault(pipeline, pauses, action):
    throttled(pipeline.aws, 10_000)
    with pytest.raises(pipeline.errors.TransientError):
        call(pipeline, action)
    assert sum(pauses) <= 8 * 31, "each of eight waits at most half a minute"


def test_a_hook_waits_for_room_too(pipeline):
    throttled(pipeline.aws, 3)
    pipeline.aws.codedeploy.add("d-1")
    event = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e"}
    assert pipeline.verify.handler(event, Context())["status"] == "Succeeded"


def test_a_failure_of_the_version_is_not_tried_again(pipeline, pauses):
    pipeline.aws.lambda_.answers = lambda *_: (None, "ValueError")
    with pytest.raises(pipeline.errors.SmokeFailedError):
        call(pipeline, "version")
    assert pauses == []
