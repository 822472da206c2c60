"""What services send by themselves: when it is tried again, and where it ends."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest

from localcloud.callers import ServiceCaller
from localcloud.clock import CloudClock
from localcloud.cloud import ServiceError
from localcloud.deliveries import Delivery, RetryPolicy, deliver_persistently, logged
from localcloud.launchers.runtime_api import InvocationOutcome
from localcloud.services.events import schedules
from localcloud.services.events.schedules import SchedulePlan, Schedules
from localcloud.services.lambda_.execution import event_queue
from localcloud.services.lambda_.execution.event_queue import EventQueue
from localcloud.services.lambda_.model import FunctionKey

QUEUE, DEAD = (f"arn:aws:sqs:us-east-1:123456789012:{name}" for name in ("q", "dead"))
CALLER = ServiceCaller("events.amazonaws.com", "arn:aws:events:us-east-1:123456789012:rule/r", "123456789012")


class Clock:
    """A clock that only sleep moves."""

    def __init__(self):
        self.moment = 0.0

    def now(self):
        return self.moment

    def sleep(self, seconds, *, cancel):
        self.moment += seconds
        return not cancel.is_set()


class Cloud:
    """Two queues. The first refuses with the errors it is given, in order."""

    def __init__(self, *errors):
        self.clock = Clock()
        self.stopping = threading.Event()
        self.errors = list(errors)
        self.attempts = 0
        self.sent = {"q": [], "dead": []}

    def call_as(self, _caller, service, action, params, **where):
        return self.call(service, action, params, **where)

    def call(self, service, action, params, **_where):
        if action == "GetQueueUrl":
            return {"QueueUrl": params["QueueName"]}
        if params["QueueUrl"] == "q":
            self.attempts += 1
            if self.errors:
                raise self.errors.pop(0)
        self.sent[params["QueueUrl"]].append(params)
        return {}


def send(cloud, **policy):
    deliver_persistently(cloud, Delivery(CALLER, QUEUE, "body"), RetryPolicy(dead_letter=DEAD, **policy), {"RULE": "r"})


BUSY = ("ThrottlingException", "slower", 400)
DOWN = ("InternalError", "broken", 500)
GONE = ("AWS.SimpleQueueService.NonExistentQueue", "no such queue", 400)


@pytest.mark.parametrize("error", [BUSY, DOWN], ids=["throttled", "failing"])
def test_what_passes_is_tried_again(error):
    cloud = Cloud(ServiceError(*error), ServiceError(*error))
    send(cloud)
    assert (cloud.attempts, len(cloud.sent["q"]), cloud.sent["dead"]) == (3, 1, [])
    assert cloud.clock.moment == 3


@pytest.mark.parametrize(
    ("policy", "attempts", "exhausted"),
    [({"attempts": 2}, 3, "MaximumRetryAttempts"), ({"max_age": 5}, 3, "MaximumEventAgeInSeconds")],
)
def test_a_policy_ends_the_attempts(policy, attempts, exhausted):
    cloud = Cloud(*(ServiceError(*BUSY) for _ in range(9)))
    send(cloud, **policy)
    (message,) = cloud.sent["dead"]
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert cloud.attempts == attempts
    assert (message["MessageBody"], attributes["RULE"]) == ("body", "r")
    assert (attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]) == ("ThrottlingException", str(attempts - 1))
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == exhausted


def test_a_cloud_that_ends_waits_for_no_further_attempt():
    cloud = Cloud(ServiceError(*BUSY))
    cloud.stopping.set()
    send(cloud)
    assert (cloud.attempts, cloud.sent) == (1, {"q": [], "dead": []})


def test_what_refuses_is_not_tried_again():
    cloud = Cloud(ServiceError(*GONE))
    send(cloud)
    (message,) = cloud.sent["dead"]
    assert cloud.attempts == 1
    assert "EXHAUSTED_RETRY_CONDITION" not in json.dumps(message)


def test_a_function_that_is_not_there_is_named(capsys):
    cloud = Cloud()
    cloud.functions = type("F", (), {"send": staticmethod(_refuse)})
    deliver_persistently(
        cloud, Delivery(CALLER, "arn:aws:lambda:us-east-1:123456789012:function:f", "{}"), RetryPolicy(), {}
    )
    assert "rule/r could not deliver to" in capsys.readouterr().out


def _refuse(*_args):
    raise ServiceError("ResourceNotFoundException", "Function not found", 404)


def test_a_fault_of_a_delivery_is_logged_and_the_thread_goes_on(capsys):
    with logged():
        raise KeyError("a fault")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(logged()(lambda: {}["another"])).result() is None
    written = capsys.readouterr().err
    assert "a fault" in written
    assert "another" in written


def _plan(name, expression="rate(1 hour)"):
    arn = f"arn:aws:scheduler:us-east-1:123456789012:schedule/default/{name}"
    owner = SimpleNamespace(target={"Arn": QUEUE, "Input": name}, state="ENABLED")
    return SchedulePlan(arn, name, expression, "UTC", "123456789012", "us-east-1", owner, is_rule=False)


def test_a_schedule_that_breaks_holds_up_no_other(monkeypatch, capsys):
    cloud = Cloud()
    broken = replace(_plan("broken"), owner=None, is_rule=True, expression="rate(1 minute)")
    monkeypatch.setattr(schedules, "plans", lambda: iter([broken, _plan("sound")]))
    scheduler = Schedules(cloud, rules=None)
    scheduler.poll()
    cloud.clock.moment = 61.0
    scheduler.poll()
    scheduler._workers.shutdown()
    assert [each["MessageBody"] for each in cloud.sent["q"]] == ["sound"]
    assert "AttributeError" in capsys.readouterr().err


def test_a_schedule_that_is_made_while_others_are_read_keeps_the_time_of_its_making(monkeypatch):
    made = []
    scheduler = Schedules(Cloud(), rules=None)

    def read_late():  # the list is read, and only then the schedule is made
        present = list(made)
        if not made:
            made.append(_plan("new", "cron(0 0 1 1 ? 2099)"))
            scheduler.notice()
        return iter(present)

    monkeypatch.setattr(schedules, "plans", read_late)
    scheduler.poll()
    assert list(scheduler.dump().values()) == [0.0]


def test_what_a_runtime_of_ones_own_reports_as_an_error_reaches_the_dead_letter_queue():
    assert event_queue._message(b'{"errorMessage": "boom"}') == "boom"
    assert event_queue._message(b'"boom"') == "boom"
    assert event_queue._message(b"boom \xff") == "boom \ufffd"
    assert event_queue._message(b"[1]") == "[1]"


def test_events_that_wait_for_a_retry_hold_up_no_others(monkeypatch):
    """More events fail than there are workers, and then one comes that succeeds."""
    monkeypatch.setattr(event_queue, "_WORKERS", 2)
    failed = InvocationOutcome(b"{}", "Unhandled", "ValueError")
    reached = threading.Event()

    def invoke(_key, _qualifier, payload, **_):
        if payload == b"sound":
            reached.set()
        outcome = InvocationOutcome(b"null") if payload == b"sound" else failed
        return SimpleNamespace(outcome=outcome, version="1")

    store = SimpleNamespace(lock=threading.Lock(), functions={})
    cloud = SimpleNamespace(clock=CloudClock())
    queue = EventQueue(SimpleNamespace(cloud=cloud, invoke=invoke, service=SimpleNamespace(store=store)))
    for payload in (*[b"broken"] * 5, b"sound"):
        queue.submit(FunctionKey("123456789012", "us-east-1", "f"), "", payload)
    assert reached.wait(60)
    queue.close()
