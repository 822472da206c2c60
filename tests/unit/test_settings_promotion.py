import json
from types import SimpleNamespace

import pytest

from stepladder.core.errors import BadInputError
from stepladder.promotion import ladder
from stepladder.settings.load import from_context, invoke_defaults, load
from stepladder.settings.shift import PREDEFINED, Shift

PLACE = {"account": "123456789012", "region": "eu-west-1"}
DIGEST = "sha256:" + "b" * 64


def settings(tmp_path, promotion=None, ladder=("staging", "production"), environments=("staging", "production")):
    told = {"project": "orders", "rungs": list(ladder), "environments": dict.fromkeys(environments, PLACE)}
    return load(told | {"promotion": promotion or {}}, tmp_path)


def release(**changes):
    return ladder.PromotionRequest("20261121T230501Z-a1b2c3", DIGEST, "c0ffee", "jo@laptop", **changes)


def test_the_lowest_rung_shifts_all_at_once_and_the_others_by_a_canary(tmp_path):
    rungs = settings(tmp_path).promotion.policies
    assert rungs["staging"].shift.name == "AllAtOnce"
    assert rungs["production"].shift.name == "Canary10Percent5Minutes"
    assert not any(rung.approval for rung in rungs.values())


def test_a_rung_may_say_otherwise(tmp_path):
    told = {"production": {"deployment": "Linear20PercentEvery3Minutes", "approval": True, "bake_minutes": 4}}
    rung = settings(tmp_path, {"rungs": told}).promotion.policies["production"]
    assert (rung.shift.name, rung.approval, rung.bake_minutes) == ("Linear20PercentEvery3Minutes", True, 4)


@pytest.mark.parametrize(
    ("promotion", "problem"),
    [
        ({"deployment": "Canary0Percent5Minutes"}, "stepladder.promotion.deployment"),
        ({"deployment": "Canary10Percent0Minutes"}, "stepladder.promotion.deployment"),
        ({"deployment": "quickly"}, "stepladder.promotion.deployment is 'quickly'"),
        ({"bake_minutes": -1}, "stepladder.promotion.bake_minutes"),
        ({"approval_hours": 0}, "stepladder.promotion.approval_hours"),
        ({"probe_requests": 0}, "stepladder.promotion.probe_requests"),
        ({"scan_threshold": "SEVERE"}, "stepladder.promotion.scan_threshold"),
        ({"rungs": {"moon": {}}}, "stepladder.promotion.rungs.moon is not a setting"),
        ({"rungs": {"production": {"approval": "yes"}}}, "stepladder.promotion.rungs.production.approval"),
        ({"rungs": {"production": {"deployment": "Linear"}}}, "stepladder.promotion.rungs.production.deployment"),
        ({"speed": 1}, "stepladder.promotion.speed is not a setting"),
        ({"deployment": [5, 1, 100]}, "stepladder.promotion.deployment is [5, 1, 100]; allowed: widths that rise; 1"),
        ({"deployment": [5, 5, 100]}, "widths that rise; 5 follows 5"),
        ({"deployment": [1, 5, 25]}, "widths that end at 100, which is all traffic; these end at 25"),
        ({"deployment": [1, 50, 101]}, "stepladder.promotion.deployment is 101; allowed: a whole percentage"),
        ({"deployment": [0.5, 100]}, "stepladder.promotion.deployment is 0.5; allowed: a whole percentage"),
        ({"deployment": [0, 100]}, "stepladder.promotion.deployment is 0; allowed: a whole percentage"),
        ({"deployment": [True, 100]}, "stepladder.promotion.deployment is True; allowed: a whole percentage"),
        ({"deployment": []}, "stepladder.promotion.deployment is []; allowed: a list of 1 to 20 widths"),
        ({"deployment": {"minutes": 5}}, "stepladder.promotion.deployment.widths is None"),
        ({"deployment": {"widths": "1"}}, "stepladder.promotion.deployment.widths is '1'; allowed: a list"),
        ({"deployment": {"widths": [1, 100], "minutes": 0}}, "deployment.minutes is 0; allowed: a whole number"),
        ({"deployment": {"widths": [1, 100], "minutes": 2.5}}, "deployment.minutes is 2.5; allowed: a whole number"),
        ({"deployment": {"widths": [1, 5, 100], "minutes": [3]}}, "one number, or 2: one for each width but the last"),
        ({"deployment": {"widths": [1, 5, 100], "minutes": 2880}}, "at most 4320 minutes together, three days"),
        ({"deployment": {"widths": [1, 100], "hours": 1}}, "stepladder.promotion.deployment.hours is not a setting"),
        ({"canary": {"compare": "yes"}}, "stepladder.promotion.canary.compare is 'yes'; allowed: true or false"),
        ({"canary": {"error_rate": -1}}, "stepladder.promotion.canary.error_rate is -1; allowed: a number above 0"),
        ({"canary": {"p99": 0.5}}, "stepladder.promotion.canary.p99 is 0.5; allowed: a number from 1 to 100"),
        ({"canary": {"minimum_requests": 3}}, "stepladder.promotion.canary.minimum_requests is 3; allowed: a whole"),
        ({"canary": {"limit_minutes": 0}}, "stepladder.promotion.canary.limit_minutes is 0; allowed: a whole"),
        ({"canary": {"inconclusive": "promote"}}, "stepladder.promotion.canary.inconclusive is 'promote'; allowed: re"),
        ({"canary": {"judge": True}}, "stepladder.promotion.canary.judge is not a setting"),
        (
            {"canary": {"compare": True}, "deployment": "AllAtOnce"},
            "rungs.production.canary.compare is True while promotion.rungs.production.deployment is AllAtOnce",
        ),
        (
            {"rungs": {"staging": {"canary": {"compare": True}}}},
            "promotion.rungs.staging.canary.compare is True while promotion.rungs.staging.deployment is AllAtOnce",
        ),
        ({"bake_requests": 500}, "promotion.rungs.production.bake_requests is 500 while promotion.rungs.production.ba"),
        ({"bake_requests": -1}, "stepladder.promotion.bake_requests is -1; allowed: a whole number from 1"),
        (
            {"deployment": [1, 2, 3, 100], "canary": {"compare": True, "limit_minutes": 2880}},
            "may shift and bake for 8640 minutes, as each of 3 widths may stay for canary.limit_minutes; allowed: 5760",
        ),
        (
            {"deployment": [1, 5, 100], "canary": {"compare": True, "inconclusive": "ask"}, "approval_hours": 96},
            "96 hours of promotion.approval_hours: 2 questions may take 194 hours with their widths, at most 160",
        ),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, promotion, problem):
    with pytest.raises(BadInputError) as bad:
        settings(tmp_path, promotion)
    assert problem in " ".join(bad.value.problems)


@pytest.mark.parametrize("name", PREDEFINED)
def test_what_aws_offers_is_called_as_aws_calls_it(name):
    shift = Shift.parse(name)
    assert shift.config("orders-production") == f"CodeDeployDefault.Lambda{name}"


def test_a_configuration_of_our_own_is_called_as_the_service_module_calls_it():
    shift = Shift.parse("Canary25Percent3Minutes")
    assert shift.config("orders-production") == "orders-production-canary-25-3"
    assert shift.variables == {"strategy": "canary", "percentage": 25, "interval_minutes": 3}


def test_a_shift_knows_how_long_it_takes():
    assert Shift.parse("AllAtOnce").seconds == 0
    assert Shift.parse("Canary10Percent5Minutes").seconds == 300
    assert Shift.parse("Linear10PercentEvery10Minutes").seconds == 5400
    assert Shift.parse("Linear30PercentEvery1Minute").seconds == 180


def test_polls_outlast_the_shift():
    for name in PREDEFINED:
        every, most = Shift.parse(name).polls()
        assert every * most > Shift.parse(name).seconds + 600


def test_the_input_holds_all_that_a_target_needs(tmp_path):
    told = ladder.execution_input(settings(tmp_path), release(hotfix=True))
    assert told["hotfix"] is True
    production = told["rungs"][1]["targets"][0]
    assert production == {
        "environment": "production",
        "function": "orders-production",
        "alias": "live",
        "image_uri": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/orders@{DIGEST}",
        "application": "orders-production",
        "deployment_group": "live",
        "deployment_config": "CodeDeployDefault.LambdaCanary10Percent5Minutes",
        "poll_seconds": 15,
        "max_polls": 144,
        "bake_polls": 0,
        "probe_requests": 10,
        "lock_seconds": 7800,
    }


COMPARES = {"deployment": {"widths": [1, 25, 100], "minutes": [10, 30]}, "canary": {"compare": True}}


def test_a_shift_by_the_state_machine_has_its_widths_and_what_it_tolerates(tmp_path):
    staging, production = ladder.execution_input(settings(tmp_path, COMPARES), release())["rungs"]
    assert "shift" not in staging["targets"][0], "the lowest rung is all at once and compares nothing"
    target = production["targets"][0]
    assert target["shift"] == {
        "widths": [1, 25, 100],
        "seconds": [600, 1800, 0],
        "limit_seconds": 3600,
        "bake_seconds": 0,
        "bake_requests": 0,
        "inconclusive": "restore",
        "ask_seconds": 86400,
        "max_polls": 470,
        "canary": {"error_rate": 0.5, "p99": 1.5, "minimum_requests": 100},
    }
    assert target["poll_seconds"] == 23
    assert target["deployment_config"] == "CodeDeployDefault.LambdaAllAtOnce", "of a hotfix"
    assert target["lock_seconds"] > 2 * 3600 + 1800, "each width may stay until its limit"


ASKS = {"canary": {"compare": True, "inconclusive": "ask"}}


def test_the_lock_outlasts_a_question_on_each_width_and_questions_do_not_slow_the_polls_before_them(tmp_path):
    widths = {"deployment": [1, 5, 25, 100], "bake_minutes": 60, "bake_requests": 500}
    asks = ladder.execution_input(settings(tmp_path, widths | ASKS), release())["rungs"][1]["targets"][0]
    never = ladder.execution_input(settings(tmp_path, widths | {"canary": {"compare": True}}), release())
    assert asks["poll_seconds"] == never["rungs"][1]["targets"][0]["poll_seconds"] == 41
    assert asks["lock_seconds"] > 4 * 24 * 3600 + 3 * 3600 + 3600, "three widths and the bake may ask for a day each"
    shift = asks["shift"]
    polls = 4 * shift["ask_seconds"] / shift["ask_poll_seconds"] + (4 * 3600) / asks["poll_seconds"]
    assert shift["max_polls"] > polls, "people have their time on each width"


def test_a_bake_that_counts_requests_may_ask_without_comparing(tmp_path):
    bakes = {"bake_minutes": 60, "bake_requests": 500, "canary": {"inconclusive": "ask"}}
    target = ladder.execution_input(settings(tmp_path, bakes), release())["rungs"][1]["targets"][0]
    assert target["lock_seconds"] > 25 * 3600


_EVENTS = 9 * 1.25  # of a poll, and of retries
_LONG = {"deployment": {"widths": [1, 5, 25, 100], "minutes": [1440, 1440, 1440]}, "bake_minutes": 720}


@pytest.mark.parametrize("functions", [1, 2, 5])
@pytest.mark.parametrize(
    "promotion",
    [
        _LONG | {"canary": {"compare": True, "limit_minutes": 1440}},
        _LONG | {"approval_hours": 18, "bake_requests": 9} | ASKS,
        {"deployment": [1, 5, 25, 100], "approval_hours": 50} | ASKS,
        {"deployment": [*range(1, 6), 100]} | ASKS,
        {"deployment": [50, 100], "approval_hours": 144} | ASKS,
    ],
)
def test_the_longest_shift_of_every_target_fits_into_one_history(tmp_path, promotion, functions):
    told = {"project": "orders", "rungs": ["staging", ["production", "dr"]], "promotion": promotion}
    told["environments"] = dict.fromkeys(("staging", "production", "dr"), PLACE)
    told["functions"] = {f"f{number}": {"smoke": {"path": "."}} for number in range(functions - 1)}
    names = ("", *told["functions"])
    targets = ladder.execution_input(load(told, tmp_path), release(functions=names))["rungs"][1]["targets"]
    assert len(targets) == 2 * functions
    assert sum(target["shift"]["max_polls"] for target in targets) * _EVENTS < 25_000


def test_without_comparing_widths_or_counted_requests_codedeploy_shifts_as_ever(tmp_path):
    told = ladder.execution_input(settings(tmp_path, {"canary": {"p99": 2}}), release())
    assert not any("shift" in target for rung in told["rungs"] for target in rung["targets"])


@pytest.mark.parametrize(
    ("promotion", "widths", "seconds"),
    [
        ({"canary": {"compare": True}}, [10, 100], [300, 0]),
        (
            {"deployment": "Linear30PercentEvery2Minutes", "canary": {"compare": True}},
            [30, 60, 90, 100],
            [120] * 3 + [0],
        ),
        ({"deployment": [100]}, None, None),
        ({"deployment": [50, 100]}, [50, 100], [600, 0]),
        ({"deployment": "AllAtOnce", "bake_minutes": 5, "bake_requests": 500}, [100], [0]),
    ],
)
def test_every_way_to_shift_has_widths_when_the_state_machine_moves_traffic(tmp_path, promotion, widths, seconds):
    target = ladder.execution_input(settings(tmp_path, promotion), release())["rungs"][1]["targets"][0]
    shift = target.get("shift", {})
    assert (shift.get("widths"), shift.get("seconds")) == (widths, seconds)


def test_a_rung_compares_otherwise_than_the_others(tmp_path):
    told = COMPARES | {"rungs": {"production": {"canary": {"p99": 3, "inconclusive": "ask"}}}}
    canary = settings(tmp_path, told).promotion.policies["production"].canary
    assert (canary.compare, canary.p99, canary.inconclusive) == (True, 3.0, "ask")


def test_invoke_takes_widths_as_a_mapping_too_though_the_default_is_text(tmp_path):
    from invoke.config import copy_dict, merge_dicts

    given = {"promotion": {"deployment": {"widths": [1, 100], "minutes": 5}, "canary": {"compare": True}}}
    merged = merge_dicts(copy_dict(invoke_defaults()), given)
    assert merged["promotion"]["deployment"] == {"widths": [1, 100], "minutes": 5}
    assert merged["promotion"]["probe_requests"] == 10


@pytest.mark.parametrize("deployment", [None, "AllAtOnce", {"widths": [1, 100], "minutes": 5}])
def test_a_variable_overrides_how_traffic_shifts_however_invoke_yaml_says_it(tmp_path, monkeypatch, deployment):
    from invoke import Config

    monkeypatch.setenv("INVOKE_STEPLADDER_PROMOTION_DEPLOYMENT", "Canary20Percent6Minutes")
    promotion = {"probe_requests": 3} | ({"deployment": deployment} if deployment else {})
    environments = dict.fromkeys(("staging", "production"), PLACE)
    told = {"stepladder": {"project": "orders", "environments": environments, "promotion": promotion}}
    (tmp_path / "invoke.yaml").write_text(json.dumps(told))
    config = Config(project_location=str(tmp_path), lazy=True)
    config.load_project()
    config.load_collection({"stepladder": invoke_defaults()})
    config.load_shell_env()
    read = from_context(SimpleNamespace(config=config))
    assert read.promotion.deployment.name == "Canary20Percent6Minutes"
    assert read.promotion.policies["production"].shift.name == "Canary20Percent6Minutes"


def test_widths_of_which_no_alarm_could_see_one_are_refused_unless_versions_are_compared(tmp_path):
    with pytest.raises(BadInputError) as bad:
        settings(tmp_path, {"deployment": [1, 3, 100]})
    assert "error_rate_percent is 5.0; allowed: less than the 3 percent before all traffic" in bad.value.problems[0]
    assert settings(tmp_path, {"deployment": [1, 3, 100], "canary": {"compare": True}})


def test_a_bad_deployment_is_one_problem_and_not_one_of_the_canary_as_well(tmp_path):
    with pytest.raises(BadInputError) as bad:
        settings(tmp_path, {"deployment": [5, 1, 100], "canary": {"compare": True}})
    assert len(bad.value.problems) == 1


def test_a_canary_asks_only_where_people_are_asked(tmp_path):
    told = {"project": "orders", "environments": {"staging": PLACE, "production": PLACE | {"region": "us-east-1"}}}
    told["promotion"] = {"canary": {"compare": True, "inconclusive": "ask"}}
    with pytest.raises(BadInputError) as bad:
        load(told, tmp_path)
    assert "promotion.rungs.production.canary.inconclusive is 'ask'; allowed: restore" in " ".join(bad.value.problems)


def test_a_list_in_the_rungs_is_one_rung_with_several_targets(tmp_path):
    names = ("staging", "produs", "prodeu")
    told = ladder.execution_input(settings(tmp_path, None, ["staging", ["produs", "prodeu"]], names), release())
    assert [rung["name"] for rung in told["rungs"]] == ["staging", "produs+prodeu"]
    assert [t["environment"] for t in told["rungs"][1]["targets"]] == ["produs", "prodeu"]


def spread(tmp_path, **production):
    environments = {"staging": PLACE, "produs": PLACE | production, "prodeu": PLACE}
    told = {"project": "orders", "rungs": ["staging", ["prodeu", "produs"]], "environments": environments}
    return load(told, tmp_path)


def test_a_target_in_another_location_names_it_and_may_keep_its_lock_while_its_siblings_are_released(tmp_path):
    targets = ladder.execution_input(spread(tmp_path, region="us-east-1"), release())["rungs"][1]["targets"]
    here, away = targets
    assert "place" not in here
    assert "verdict_seconds" not in here
    account = PLACE["account"]
    assert away["place"] == {"account": account, "region": "us-east-1", "look_seconds": 20, "max_looks": 312}
    assert away["lock_seconds"] == here["lock_seconds"] == 2 * away["verdict_seconds"], "here too: it waits as long"
    assert away["image_uri"].startswith(f"{account}.dkr.ecr.us-east-1.amazonaws.com/")


@pytest.mark.parametrize("bake", [0, 720])
def test_looks_end_before_a_sibling_gives_up_waiting_for_the_word_so_that_no_rung_is_split(bake, tmp_path):
    told = {"project": "orders", "environments": {"staging": PLACE, "production": PLACE | {"region": "us-east-1"}}}
    told["promotion"] = {"deployment": "Linear10PercentEvery10Minutes", "bake_minutes": bake}
    target = ladder.execution_input(load(told, tmp_path), release())["rungs"][1]["targets"][0]
    a_look_stays = 5
    looked = target["place"]["max_looks"] * (target["place"]["look_seconds"] + a_look_stays)
    assert 0.9 * target["verdict_seconds"] < looked <= target["verdict_seconds"]


def test_polls_of_a_child_execution_stay_far_under_the_history_limit(tmp_path):
    """25,000 events end an execution: a look is thirteen, and there are two rounds of them."""
    told = {"project": "orders", "environments": {"staging": PLACE, "production": PLACE | {"region": "us-east-1"}}}
    told["promotion"] = {"deployment": "Linear10PercentEvery10Minutes", "bake_minutes": 720}
    target = ladder.execution_input(load(told, tmp_path), release())["rungs"][1]["targets"][0]
    assert target["place"]["max_looks"] * 13 < 6_000


@pytest.mark.parametrize("region", [PLACE["region"], "us-east-1"])
@pytest.mark.parametrize("count", [1, 4, 10])
def test_the_more_targets_the_fewer_looks_at_each_since_all_share_one_history(region, count, tmp_path):
    names = [f"prod{number}" for number in range(count)]
    environments = {"staging": PLACE} | dict.fromkeys(names, PLACE | {"region": region})
    told = {"project": "orders", "rungs": ["staging", names], "environments": environments}
    told["promotion"] = {"deployment": "Linear10PercentEvery10Minutes", "bake_minutes": 720}
    targets = ladder.execution_input(load(told, tmp_path), release())["rungs"][1]["targets"]
    longest = 90 * 60 + 720 * 60
    if "place" in targets[0]:
        events = sum(longest / (t["place"]["look_seconds"] + 5) * 13 for t in targets)
    else:
        events = sum(longest / t["poll_seconds"] * 18 for t in targets)
    assert events < 20_000


def test_a_ladder_over_two_partitions_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="several AWS partitions: aws, aws-cn"):
        ladder.execution_input(spread(tmp_path, region="cn-north-1"), release())


def test_every_field_that_the_definition_reads_of_a_target_is_there(tmp_path):
    import re

    from stepladder.promotion import definition
    from stepladder.promotion.contract import TargetInput

    target = ladder.execution_input(spread(tmp_path, region="us-east-1"), release())["rungs"][1]["targets"][1]
    text = str(definition.load())
    only_some_have = TargetInput.__optional_keys__
    assert set(re.findall(r"\$\.target\.(\w+)", text)) <= set(target) | only_some_have
    rung = ladder.execution_input(settings(tmp_path), release())["rungs"][0]
    given_by_the_relay = {"verdict_seconds"}
    assert set(re.findall(r"\$\.rung\.(\w+)", text)) - given_by_the_relay <= set(rung)
