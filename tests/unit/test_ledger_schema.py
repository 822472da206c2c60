"""The ledger's one schema against everybody who writes: the state machine, the pipeline's functions, the commands."""

import json
import re
import typing

import pytest
from fakes.pipeline import EXECUTION, FUNCTION, RELEASE, Context, release, target

from stepladder.ledger import schema
from stepladder.ledger.schema import COMMANDS, FUNCTIONS, KINDS, PROMOTION
from stepladder.promotion import definition

TYPES = {"str": "S", "int": "N", "bool": "BOOL"}


def puts(value):
    """Every item that a part of the definition writes."""
    if isinstance(value, dict):
        if "Item" in value and "TableName" in value:
            yield value["Item"]
        for part in value.values():
            yield from puts(part)
    elif isinstance(value, list):
        for part in value:
            yield from puts(part)


ITEMS = [
    pytest.param(item, id=f"{state.name} {number}" if number else state.name)
    for state in definition.states(definition.load())
    if state.kind == "Task"
    for number, item in enumerate(puts(state.body["Parameters"]))
]


def text(value):
    """A text of the definition with `{}` for whatever is filled in."""
    (written,) = value.values()
    return re.sub(r"^States\.Format\('(.*?)'.*", r"\1", written)


def kind_of(pk, sk):
    """The one kind of item that has keys like these, of which `{}` or anything else may stand for a name."""
    named = {kind: [re.sub(r"\{\w+\}", "(.+)", pattern) for pattern in (kind.pk, kind.sk)] for kind in KINDS}
    (kind,) = [kind for kind, (p, s) in named.items() if re.fullmatch(p, pk) and re.fullmatch(s, sk)]
    return kind


def check(item, kind, writer):
    """Compare what somebody wrote with what the schema says they write."""
    always, may = kind.written(writer)
    written = set(item) - {"pk", "sk"}
    assert written <= may, f"{written - may} of {kind.pk} {kind.sk}: the schema says that others write it"
    assert written >= always, f"{always - written} of {kind.pk} {kind.sk} is missing"
    types = {field.name: TYPES[str(field.type)] for field in kind.attributes}
    assert {name: next(iter(item[name])).removesuffix(".$") for name in written} == {n: types[n] for n in written}


@pytest.mark.parametrize("item", ITEMS)
def test_the_state_machine_writes_what_the_schema_says(item):
    check(item, kind_of(text(item["pk"]), text(item["sk"])), PROMOTION)


def test_the_state_machine_writes_every_kind_of_item_that_the_schema_says():
    written = {kind_of(text(item.values[0]["pk"]), text(item.values[0]["sk"])) for item in ITEMS}
    assert written == {kind for kind in KINDS if kind.written(PROMOTION)[0]}


class TestFunctions:
    @pytest.fixture(autouse=True)
    def ladder(self, pipeline, monkeypatch):
        monkeypatch.setenv("LADDER", json.dumps({"production": {"function": FUNCTION, "alias": "live", "below": []}}))
        monkeypatch.setattr(pipeline.restore, "_GRACE", 0.0)

    def items(self, pipeline):
        return {(kind_of(*key), key): item for key, item in pipeline.aws.dynamodb.items.items()}

    def check(self, pipeline, *kinds):
        items = self.items(pipeline)
        assert {kind for kind, _ in items} == set(kinds)
        for (kind, _), item in items.items():
            check(item, kind, FUNCTIONS)

    def lock(self, pipeline):
        pipeline.validate._lock(release(), target(), EXECUTION, "7")

    def test_a_promotion_s_lock_is_as_the_schema_says(self, pipeline):
        self.lock(pipeline)
        self.check(pipeline, schema.LOCK)
        assert pipeline.aws.dynamodb.read("env#production", "lock")["host"] == schema.PIPELINE_HOST

    def test_the_lock_of_a_first_release_is_as_the_schema_says(self, pipeline):
        self.lock(pipeline)
        pipeline.aws.lambda_.aliases[FUNCTION]["FunctionVersion"] = "$LATEST"
        pipeline.restore.release_first(RELEASE, EXECUTION, target(), "8")
        self.check(pipeline, schema.LOCK)
        assert pipeline.aws.dynamodb.read("env#production", "lock")["moved_to"] == "8"

    def test_why_a_hook_failed_is_as_the_schema_says(self, pipeline):
        pipeline.hook._note("d-1", "why", "SmokeFailedError")
        self.check(pipeline, schema.HOOK)

    @pytest.mark.parametrize("served", ["8", "3"], ids=["rolled back", "not to be rolled back"])
    def test_a_promotion_that_was_cut_off_has_the_entry_of_one_that_ended(self, pipeline, served):
        self.lock(pipeline)
        pipeline.aws.codedeploy.add("d-1", status="Succeeded")
        pipeline.aws.lambda_.aliases[FUNCTION]["FunctionVersion"] = served
        event = {"action": "settle", "execution_arn": EXECUTION, "release": release(hotfix=True), "targets": [target()]}
        pipeline.rollback.handler(event | {"cause": "cut off"}, Context(20))
        self.check(pipeline, schema.RELEASE)
        (entry,) = pipeline.aws.dynamodb.items.values()
        (ended,) = [item.values[0] for item in ITEMS if item.id == "RecordRolledBack"]
        assert set(entry) == set(ended)
        assert (entry["hotfix"], entry["input_key"]) == ({"BOOL": True}, {"S": release()["input_key"]})


def test_commands_write_what_the_schema_says(live):
    items = live.table.tables["hello-releases"]
    assert {kind_of(*key) for key in items} >= {schema.CURRENT, schema.RELEASE, schema.SERVICE, schema.ROOT}
    for key, item in items.items():
        check(item, kind_of(*key), COMMANDS)


V0_1_0 = {
    schema.LOCK: "owner host boot_id pid run_id command since expires started version previous_version pending "
    "moved_to",
    schema.CURRENT: "release_id version digest input_key config_hash alias_revision infra_hash smoke_key",
    schema.SERVICE: "input_hash plan_id applied_at url config_hash",
    schema.ROOT: "input_hash plan_id applied_at",
    schema.RELEASE: "release_id environment kind version previous_version digest git_commit requested_by plan_id "
    "execution_arn deployment_id result cause started_at ended_at input_key hotfix skipped_ladder",
    schema.APPROVAL: "rung token asked_at requested_by release_id execution_arn decision decided_by decided_at why",
    schema.DECISION: "token release_id execution_arn asked_at",
    schema.HOOK: "why error at",
    schema.BAD: "marked_at by why",
    schema.UNMARKED: "unmarked_at by why marked_at marked_by marked_why",
}
"""What v0.1.0 stored."""


@pytest.mark.parametrize("kind", V0_1_0, ids=lambda kind: f"{kind.pk} {kind.sk}")
def test_what_v0_1_0_stored_is_read(kind):
    types = typing.get_type_hints(kind.record)
    stored = {name: 7 if types[name] is int else types[name] is bool or f"its {name}" for name in V0_1_0[kind].split()}
    item = {"pk": {"S": "p"}, "sk": {"S": "s"}} | {name: schema.write(value) for name, value in stored.items()}
    read = schema.record(kind.record, item)
    assert {name: getattr(read, name) for name in stored} == stored
