"""What the list `triggers` may say, what it means for Terraform, and what it refuses."""

from __future__ import annotations

import pytest

from stepladder.core.errors import BadInputError
from stepladder.settings import load
from stepladder.settings.triggers import variable

PLACE = {"account": "123456789012", "region": "eu-west-1"}
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:jobs"
WRONG = {
    "a kind that Lambda has and the list doesn't": (["kafka"], "triggers[0].kind is 'kafka'; allowed: url, url-iam, "),
    "a kind that is for own Terraform": (["alb"], "in terraform/service calls module.service.alias_arn"),
    "a slip of the finger": ([{"kind": "scedule"}], "triggers[0].kind is 'scedule'; allowed: url, url-iam, "),
    "no kind": ([{"name": "jobs"}], "triggers[0] is {'name': 'jobs'}; allowed: a kind (url, url-iam, "),
    "a number": ([5], "triggers[0] is 5; allowed: a kind"),
    "a kind that is no text": ([{"kind": ["url"]}], "triggers[0].kind is ['url']; allowed: url, url-iam, "),
    "one kind that is in no list": ("url", "triggers is 'url'; allowed: a list of triggers, such as [url-iam]"),
    "a list whose entries are all commented out": (None, "triggers is None; allowed: a list of triggers"),
    "none beside another": (["none", "url"], "triggers[0].kind is 'none'; allowed: url, url-iam, "),
    "two of one name": (
        [{"kind": "sqs", "name": "jobs"}, {"kind": "schedule", "name": "jobs"}],
        "stepladder.triggers has 2 triggers of the name 'jobs'; allowed: one",
    ),
    "two without a name": (
        ["sqs", {"kind": "sqs", "batch_size": 5}],
        "stepladder.triggers has 2 triggers of the kind sqs without a name; allowed: one, and any number with a `name`",
    ),
    "two URLs": (
        ["url", {"kind": "url-iam", "name": "signed"}],
        "stepladder.triggers has 2 function URLs (url, url-iam signed); allowed: one, as an alias has one",
    ),
    "an unknown key": ([{"kind": "sqs", "batchsize": 5}], "stepladder.triggers[0].batchsize is not a setting; did you"),
    "a key of another kind": (
        [{"kind": "url", "expression": "rate(1 day)"}],
        "triggers[0].expression is not a setting",
    ),
    "a name with capitals": (
        [{"kind": "sqs", "name": "Jobs"}],
        "triggers[0].name is 'Jobs'; allowed: at most 24 lower",
    ),
    "a name that is too long": ([{"kind": "sqs", "name": "a" * 25}], "allowed: at most 24 lower-case letters"),
    "the name of those that have none": ([{"kind": "sqs", "name": "this"}], "a name other than this"),
    "a name that a dead-letter queue has": (
        [{"kind": "sqs", "name": "dead-letters"}],
        "none that ends in dead-letters",
    ),
    "a batch that SQS collects only in a window": (
        [{"kind": "sqs", "batch_size": 11}],
        "triggers[0].batch_size is 11; allowed: at most 10 unless triggers[0].window_seconds is more than 0",
    ),
    "a queue that is a topic": (
        [{"kind": "sqs", "queue_arn": QUEUE.replace("sqs", "sns")}],
        "allowed: the ARN of a standard queue",
    ),
    "a queue that is first in, first out": ([{"kind": "sqs", "queue_arn": f"{QUEUE}.fifo"}], "a standard queue"),
    "a filter that is no list": ([{"kind": "sqs", "filters": {"body": {}}}], "triggers[0].filters is {'body': {}}"),
    "a filter whose value stands in no list": (
        [{"kind": "sqs", "filters": [{"body": {"kind": "order"}}]}],
        "allowed: a list of at most 5, each a mapping of keys to lists of values, such as {body: [orders]}",
    ),
    "more filters than Lambda takes": ([{"kind": "sqs", "filters": [{"body": ["a"]}] * 6}], "a list of at most 5"),
    "a flag that is text": (
        [{"kind": "schedule", "enabled": "no"}],
        "triggers[0].enabled is 'no'; allowed: true or fal",
    ),
    "a schedule that is a sentence": ([{"kind": "schedule", "expression": "daily"}], "rate(...), cron(...) or at(...)"),
    "a time zone that is none": ([{"kind": "schedule", "timezone": "Mars/Base"}], "time zone of the IANA database"),
    "a time zone that is a path": (
        [{"kind": "schedule", "timezone": "../etc/passwd"}],
        "time zone of the IANA database",
    ),
    "a time zone that is a number": ([{"kind": "schedule", "timezone": 2}], "time zone of the IANA database"),
    "a topic that is none": ([{"kind": "sns", "topic_arn": QUEUE}], "allowed: the ARN of a standard topic"),
    "no topic": (["sns"], "triggers[0].topic_arn is None; allowed: the ARN of a standard topic"),
    "no stream": ([{"kind": "dynamodb"}], "triggers[0].stream_arn is None; allowed: the ARN of a table's stream"),
    "a table in place of its stream": (
        [{"kind": "dynamodb", "stream_arn": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"}],
        "allowed: the ARN of a table's stream",
    ),
    "an age that Lambda doesn't offer": (
        [{"kind": "dynamodb", "stream_arn": "${aws_dynamodb_table.a.stream_arn}", "maximum_age_seconds": 5}],
        "triggers[0].maximum_age_seconds is 5; allowed: a whole number from 60 to 604800, or 0",
    ),
    "no pattern": (["eventbridge"], "triggers[0].pattern is None; allowed: a mapping of keys to lists of values"),
    "a pattern that matches all": ([{"kind": "eventbridge", "pattern": {}}], "triggers[0].pattern is {}"),
    "a route without a method": (
        [{"kind": "http-api", "routes": ["/orders"]}],
        "routes such as GET /orders/{id}, or $d",
    ),
    "an authorization that is none": ([{"kind": "http-api", "authorization": "jwt"}], "is 'jwt'; allowed: iam, none"),
    "an unknown key of CORS": (
        [{"kind": "http-api", "cors": {"origins": ["*"]}}],
        "triggers[0].cors.origins is not a setting; did you mean `allow_origins`?",
    ),
    "an origin with a path": (
        [{"kind": "http-api", "cors": {"allow_origins": ["https://example.org/"]}}],
        "triggers[0].cors.allow_origins is ['https://example.org/']; allowed: a list of origins like https://",
    ),
    "a rate without a burst, which would let nobody in": (
        [{"kind": "http-api", "rate_limit": 5}],
        "triggers[0].rate_limit is 5; allowed: 0 unless triggers[0].burst_limit is more than 0 too",
    ),
    "a burst without a rate": (
        [{"kind": "http-api", "burst_limit": 5}],
        "0 unless triggers[0].rate_limit is more than",
    ),
    "no bucket": (["s3"], "triggers[0].bucket is None; allowed: the name of a bucket"),
    "a bucket's address": (
        [{"kind": "s3", "bucket": "s3://uploads"}],
        "is 's3://uploads'; allowed: the name of a bucket",
    ),
    "an event that S3 doesn't have": (
        [{"kind": "s3", "bucket": "uploads", "events": ["put"]}],
        "allowed: a list of events of S3 such as s3:ObjectCreated:*",
    ),
    "two triggers of one queue": (
        [{"kind": "sqs", "queue_arn": QUEUE}, {"kind": "sqs", "name": "b", "queue_arn": QUEUE}],
        "stepladder.triggers has two triggers of the same queue_arn (sqs and sqs b); allowed: one, whose filters",
    ),
    "two triggers of one topic": (
        [{"kind": "sns", "topic_arn": "${local.t}"}, {"kind": "sns", "name": "b", "topic_arn": "${local.t}"}],
        "stepladder.triggers has two triggers of the same topic_arn (sns and sns b); allowed: one, whose filters",
    ),
    "two triggers of one stream": (
        [
            {"kind": "dynamodb", "stream_arn": "${local.s}"},
            {"kind": "dynamodb", "name": "b", "stream_arn": "${local.s}"},
        ],
        "two triggers of the same stream_arn (dynamodb and dynamodb b)",
    ),
    "a bucket whose events are none": (
        [{"kind": "s3", "bucket": "uploads", "events": []}],
        "triggers[0].events is []; allowed: at least one of events of S3",
    ),
    "an API without a route": (
        [{"kind": "http-api", "routes": []}],
        "triggers[0].routes is []; allowed: at least one of routes",
    ),
    "a rate that no number holds": (
        [{"kind": "schedule", "expression": f"rate({'9' * 400} days)"}],
        "rate needs a whole number above 0",
    ),
    "two triggers for one event of a bucket": (
        [
            {"kind": "s3", "bucket": "${aws_s3_bucket.a.id}", "prefix": "in/"},
            {"kind": "s3", "name": "b", "bucket": "${aws_s3_bucket.a.bucket}", "events": ["s3:ObjectCreated:Put"]},
        ],
        "stepladder.triggers has two triggers for the same events of aws_s3_bucket.a (s3 and s3 b); allowed: other",
    ),
    "a reference with quotes inside JSON": (
        [{"kind": "schedule", "input": {"queue": ['${aws_sqs_queue.all["a"].url}']}}],
        "allowed: JSON whose references hold no quotes, such as ${local.orders}",
    ),
    "an input that JSON can't say": ([{"kind": "schedule", "input": {"at": object()}}], "what JSON can say"),
}
BOTH = {
    "trigger": {"trigger": "url-iam"},
    "schedule": {"schedule": "rate(1 day)"},
    "function.queue": {"function": {"queue": {"batch_size": 1}}},
    "environments.staging.function.queue": {
        "environments": {"staging": PLACE | {"function": {"queue": {"batch_size": 1}}}}
    },
}


def _load(root, **raw):
    return load.load({"project": "hello", "environments": {"staging": PLACE}, "rungs": ["staging"], **raw}, root)


def _variable(settings, name="staging"):
    return variable(settings.triggers_of(settings.environment(name)))


@pytest.mark.parametrize(("entries", "says"), WRONG.values(), ids=WRONG)
def test_a_list_that_is_wrong_is_refused(tmp_path, entries, says):
    with pytest.raises(BadInputError) as caught:
        _load(tmp_path, triggers=entries)
    assert says in "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({"kind": "sqs", "name": "far", "queue_arn": QUEUE.replace("eu-west-1", "us-east-1")}, "(sqs far).queue_arn"),
        ({"kind": "sns", "topic_arn": "arn:aws:sns:us-east-1:123456789012:stock"}, "(sns).topic_arn"),
        (
            {
                "kind": "eventbridge",
                "pattern": {"source": ["a"]},
                "bus": "arn:aws:events:us-east-1:123456789012:event-bus/a",
            },
            "(eventbridge).bus",
        ),
    ],
)
def test_a_source_of_another_region_is_refused_by_its_environment(tmp_path, entry, where):
    with pytest.raises(BadInputError) as caught:
        _load(tmp_path, triggers=[entry])
    (problem,) = caught.value.problems
    assert problem.startswith(f"stepladder.environments.staging.triggers {where} is 'arn:aws:")
    assert problem.endswith("allowed: an ARN in the environment's region, eu-west-1")


@pytest.mark.parametrize("key", ["input", "kind", "expression"])
def test_an_alias_of_what_it_is_part_of_is_refused(tmp_path, key):
    endless = {}
    endless["again"] = endless
    with pytest.raises(BadInputError):
        _load(tmp_path, triggers=[{"kind": "schedule", key: endless}])


def test_everything_that_is_wrong_with_a_list_is_listed_at_once(tmp_path):
    with pytest.raises(BadInputError) as caught:
        _load(
            tmp_path, triggers=["kafka", {"kind": "sqs", "batch_size": 0, "x": 1}, {"kind": "schedule", "timezone": 1}]
        )
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(("key", "raw"), BOTH.items())
def test_the_list_and_what_stood_for_it_before_are_refused_together(tmp_path, key, raw):
    with pytest.raises(BadInputError) as caught:
        _load(tmp_path, triggers=["url"], **raw)
    (problem,) = caught.value.problems
    assert problem.startswith(f"stepladder.{key} and stepladder.triggers are both given")


def test_trigger_beside_the_list_of_an_environment_is_refused(tmp_path):
    with pytest.raises(BadInputError) as caught:
        _load(tmp_path, trigger="sqs", environments={"staging": PLACE | {"triggers": []}})
    assert "stepladder.trigger and stepladder.environments.staging.triggers are both" in caught.value.problems[0]


def test_a_project_that_says_nothing_has_a_url_for_signed_requests(tmp_path):
    assert _variable(_load(tmp_path)) == {"url-iam": {"this": {"cors": None, "streaming": False}}}


@pytest.mark.parametrize("entries", [[], ["none"], [{"kind": "none"}]])
def test_an_empty_list_is_no_trigger(tmp_path, entries):
    assert _variable(_load(tmp_path, triggers=entries)) == {}


@pytest.mark.parametrize("kind", ["url", "url-iam", "sqs", "schedule"])
def test_a_text_is_its_kind(tmp_path, kind):
    assert _load(tmp_path, triggers=[kind]).triggers == _load(tmp_path, triggers=[{"kind": kind}]).triggers


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"trigger": "url"}, ["url"]),
        ({"trigger": "none"}, []),
        ({"trigger": "schedule"}, ["schedule"]),
        ({"trigger": "schedule", "schedule": "rate(2 days)"}, [{"kind": "schedule", "expression": "rate(2 days)"}]),
        ({"trigger": "sqs", "function": {"queue": {"batch_size": 3}}}, [{"kind": "sqs", "batch_size": 3}]),
    ],
)
def test_what_projects_said_before_means_one_entry_without_a_name(tmp_path, before, after):
    assert _variable(_load(tmp_path, **before)) == _variable(_load(tmp_path, triggers=after))


def test_a_trigger_without_a_name_has_the_key_of_the_one_that_a_project_had_and_a_named_one_its_name(tmp_path):
    entries = ["schedule", {"kind": "schedule", "name": "nightly", "expression": "cron(0 3 * * ? *)"}, "url"]
    made = _variable(_load(tmp_path, triggers=entries))
    assert {kind: list(keys) for kind, keys in made.items()} == {"schedule": ["this", "nightly"], "url": ["this"]}


def test_patterns_and_inputs_go_to_terraform_as_json(tmp_path):
    entries = [
        {"kind": "sqs", "filters": [{"body": {"kind": ["order"], "size": [{"numeric": [">", 5]}]}}]},
        {"kind": "schedule", "input": {"who": "Åda", "now": None}, "timezone": "Europe/Berlin"},
    ]
    made = _variable(_load(tmp_path, triggers=entries))
    assert made["sqs"]["this"]["filters"] == ['{"body":{"kind":["order"],"size":[{"numeric":[">",5]}]}}']
    assert made["schedule"]["this"]["input"] == '{"who":"Åda","now":null}'


def test_an_environments_list_stands_in_place_of_the_projects(tmp_path):
    environments = {
        "staging": PLACE | {"triggers": [{"kind": "schedule", "enabled": False}]},
        "production": PLACE,
        "other": PLACE | {"triggers": []},
    }
    settings = _load(tmp_path, triggers=["schedule", "url"], environments=environments)
    assert _variable(settings, "staging")["schedule"]["this"]["enabled"] is False
    assert set(_variable(settings, "production")) == {"schedule", "url"}
    assert _variable(settings, "other") == {}


def test_triggers_of_one_bucket_are_one_in_terraform_however_the_bucket_is_written(tmp_path):
    entries = [
        {"kind": "s3", "bucket": "${aws_s3_bucket.in.id}", "prefix": "a/"},
        {"kind": "s3", "name": "b", "bucket": "${aws_s3_bucket.in.bucket}", "prefix": "b/"},
        {"kind": "s3", "name": "c", "bucket": "uploads", "suffix": ".png"},
        {"kind": "s3", "name": "f", "bucket": "${local.bucket}"},
        {"kind": "s3", "name": "g", "bucket": "${local.id}"},
        {"kind": "s3", "name": "d", "bucket": "uploads", "suffix": ".jpg"},
        {"kind": "s3", "name": "e", "bucket": "uploads", "events": ["s3:ObjectRemoved:*"]},
    ]
    made = _variable(_load(tmp_path, triggers=entries))["s3"]
    labels = {name: next(iter(each["bucket"])) for name, each in made.items()}
    assert labels == {
        "this": "aws_s3_bucket.in",
        "b": "aws_s3_bucket.in",
        "c": "uploads",
        "d": "uploads",
        "e": "uploads",
        "f": "local.bucket",
        "g": "local.id",
    }


def test_a_reference_to_own_terraform_passes_where_an_arn_is_needed(tmp_path):
    reference = "${aws_sqs_queue.jobs.arn}"
    made = _variable(_load(tmp_path, triggers=[{"kind": "sqs", "queue_arn": reference}]))
    assert made["sqs"]["this"]["queue_arn"] == [reference]


def test_a_bucket_may_have_a_trigger_for_objects_and_one_for_delete_markers(tmp_path):
    removed = ("s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated")
    entries = [{"kind": "s3", "name": f"t{i}", "bucket": "uploads", "events": [each]} for i, each in enumerate(removed)]
    assert set(_variable(_load(tmp_path, triggers=entries))["s3"]) == {"t0", "t1"}


def test_triggers_may_read_different_queues_and_have_queues_of_their_own(tmp_path):
    entries = ["sqs", {"kind": "sqs", "name": "own"}]
    entries += [{"kind": "sqs", "name": f"q{i}", "queue_arn": f"{QUEUE}{i}"} for i in range(2)]
    assert set(_variable(_load(tmp_path, triggers=entries))["sqs"]) == {"this", "own", "q0", "q1"}
