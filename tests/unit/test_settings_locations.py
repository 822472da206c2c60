"""The places of a ladder, and what each of them is told of it."""

import pytest
from fakes.pipeline import EXECUTION

from stepladder.core.errors import BadInputError
from stepladder.promotion.contract import child_name
from stepladder.promotion.executions import StateMachine
from stepladder.settings import locations
from stepladder.settings.load import load
from stepladder.settings.locations import Location

HOME, OTHER = {"account": "123456789012", "region": "eu-west-1"}, {"account": "222222222222", "region": "eu-west-1"}
ABROAD = HOME | {"region": "us-east-1"}


@pytest.fixture
def settings(tmp_path):
    environments = {"staging": HOME, "qa": OTHER, "prodeu": HOME, "produs": ABROAD, "sandbox": OTHER | ABROAD}
    environments["sandbox"] = {"account": "333333333333", "region": "us-east-1"}
    rungs = ["staging", "qa", ["prodeu", "produs"]]
    return load({"project": "orders", "rungs": rungs, "environments": environments}, tmp_path)


def test_home_is_where_the_lowest_rung_is_and_comes_first(settings):
    assert locations.primary(settings) == Location("123456789012", "eu-west-1")
    assert list(locations.by_location(settings).values()) == [("staging", "prodeu"), ("qa",), ("produs",)]
    assert locations.representatives(settings) == ("prodeu", "qa", "produs")


def test_home_is_told_the_whole_ladder_and_what_of_it_is_elsewhere(settings):
    assert locations.variables(settings, "prodeu") == {
        "rungs": [["staging"], ["qa"], ["prodeu", "produs"]],
        "elsewhere": {"qa": OTHER, "produs": ABROAD},
    }


def test_another_place_is_told_its_own_part_and_who_may_ask(settings):
    assert locations.variables(settings, "produs") == {"rungs": [["produs"]], "home": HOME}


def test_a_ladder_in_one_place_is_told_of_no_other(tmp_path):
    told = load({"project": "orders", "environments": {"staging": HOME, "production": HOME}}, tmp_path)
    assert locations.variables(told, "production") == {"rungs": [["staging"], ["production"]]}


def test_a_place_without_rungs_has_no_delivery(settings):
    with pytest.raises(BadInputError, match="no rung of the ladder is in 333333333333 us-east-1"):
        locations.variables(settings, "sandbox")


def test_a_promotion_of_an_environment_that_the_settings_lack_by_now_can_still_be_read(harness):
    machine = StateMachine(harness.rung())
    assert machine.at("gone") is machine.rung


def test_the_relay_names_a_child_execution_as_we_look_for_it(pipeline, monkeypatch):
    monkeypatch.setenv("MACHINE", "arn:aws:states:us-east-1:1:stateMachine:orders-promotion")
    arn = pipeline.child.arn(EXECUTION, "produs")
    name = child_name(EXECUTION, "produs")
    assert arn == f"arn:aws:states:us-east-1:1:execution:orders-promotion:{name}"


def test_the_name_of_a_child_stays_as_promotions_that_began_under_v0_1_0_have_it():
    assert child_name(EXECUTION, "produs") == "produs-bd00253c8f1338216b76d667ba99f2891b674ba4"
    assert len(child_name(EXECUTION, "x" * 12)) <= 80
