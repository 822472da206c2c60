"""What a promotion of several functions is: its input, its name, and what it promotes of them."""

import json

import pytest

from stepladder.core.errors import BadInputError
from stepladder.promotion import ladder
from stepladder.promotion.contract import release_of
from stepladder.promotion.ladder import PromotionRequest
from stepladder.promotion.plan import base_name
from stepladder.promotion.subject import Subject, functions_of
from stepladder.promotion.subjects import identity, promoted, subject_words
from stepladder.settings.load import load

AT = {"account": "123456789012", "region": "eu-west-1"}


def settings(root, *names, rungs=("staging", "production"), **more):
    flat = [name for rung in rungs for name in ([rung] if isinstance(rung, str) else rung)]
    given = {"project": "orders", "rungs": list(rungs), "environments": {name: dict(AT) for name in flat}, **more}
    return load(given | {"functions": {name: {} for name in names}}, root)


def own(digest):
    smoke_key = f"smoke/{'0' * 64}.json"
    return {"digest": digest, "git_commit": "c" * 40, "input_key": "0" * 64, "smoke_key": smoke_key, "untested": ""}


def request(*names, **more):
    releases = {name: own(f"sha256:{name or 'main'}") for name in names} if len(names) > 1 else {}
    return PromotionRequest("r", "sha256:d", "c0ffee", "jo", functions=names, own=releases, **more)


def test_the_targets_of_a_rung_are_its_environments_with_each_function_that_is_promoted(tmp_path):
    told = ladder.execution_input(
        settings(tmp_path, "mailer", "biller", rungs=("staging", ["prodeu", "produs"])), request("", "mailer")
    )
    assert [[target["environment"] for target in rung["targets"]] for rung in told["rungs"]] == [
        ["staging", "staging-mailer"],
        ["prodeu", "prodeu-mailer", "produs", "produs-mailer"],
    ]
    mailer = told["rungs"][0]["targets"][1]
    assert (mailer["function"], mailer["application"]) == ("orders-staging-mailer", "orders-staging-mailer")
    assert mailer["image_uri"].endswith("/orders@sha256:mailer")
    assert release_of({"id": "r"} | dict.fromkeys(("requested_by", "hotfix", "force")), mailer)["digest"] == (
        "sha256:mailer"
    )
    assert promoted(told) == {"": "sha256:main", "mailer": "sha256:mailer"}


def test_one_function_alone_is_promoted_as_the_projects_own_is(tmp_path):
    told = ladder.execution_input(settings(tmp_path, "mailer"), request("mailer", smoke_key="smoke/k.json"))
    (target,) = told["rungs"][0]["targets"]
    assert "release" not in target
    assert target["image_uri"].endswith("@sha256:d")
    assert promoted(told) == {"mailer": "sha256:d"}


def test_the_name_tells_the_same_functions_and_images_from_others():
    def name(**digests):
        subjects = {
            key.replace("main", ""): Subject(f"sha256:{value * 64}", "c0ffee") for key, value in digests.items()
        }
        return base_name(("production",), identity(subjects))

    names = [name(main="a"), name(mailer="a"), name(main="a", mailer="b"), name(main="b", mailer="a"), name(main="b")]
    assert len(set(names)) == 5
    assert name(main="a", mailer="b") == name(mailer="b", main="a")
    assert name(main="a") == f"production-c0ffee-{'a' * 8}", "as it always was"


def test_many_targets_begin_one_after_the_other_and_poll_as_often_as_one_alone(tmp_path):
    names = [f"fn{number:03}" for number in range(100)]
    many = ladder.execution_input(settings(tmp_path, *names), request("", *names))["rungs"][1]["targets"]
    alone = ladder.execution_input(settings(tmp_path), PromotionRequest("r", "sha256:d", "c", "jo"))["rungs"][1]
    assert [target.get("begins_after", 0) for target in many[:4]] == [0, 2, 3, 5]
    assert many[-1]["begins_after"] == 150
    assert {target["poll_seconds"] for target in many} == {alone["targets"][0]["poll_seconds"]}
    few = ladder.execution_input(settings(tmp_path, *names[:9]), request("", *names[:9]))["rungs"][1]["targets"]
    assert not any("begins_after" in target for target in few)


def test_a_hundred_functions_on_two_rungs_fit_one_execution_and_more_are_refused_before_it_starts(tmp_path):
    names = [f"function-with-a-name-{number:03}" for number in range(99)]
    text = json.dumps(ladder.execution_input(settings(tmp_path, *names), request("", *names)))
    ladder.check_size(text, ["", *names])
    rungs = ("staging", "qa", "canary", "production")
    text = json.dumps(ladder.execution_input(settings(tmp_path, *names, rungs=rungs), request("", *names)))
    with pytest.raises(BadInputError, match=r"100 functions is too large to start: its input has 3.. KiB") as refused:
        ladder.check_size(text, ["", *names])
    assert refused.value.hint.startswith("promote at most ")
    assert "`inv promote --function function-with-a-name-000`" in refused.value.hint


@pytest.mark.parametrize("rungs", [("staging", ("prodeu", "produs")), ("staging", "production")])
def test_functions_whose_results_would_fill_a_state_are_refused_before_they_are_released(tmp_path, rungs):
    def sized(count):
        names = [f"function-with-a-name-{number:03}" for number in range(count)]
        text = json.dumps(ladder.execution_input(settings(tmp_path, *names, rungs=rungs), request(*names)))
        assert len(text) < 256 * 1024, "the input itself would be taken"
        ladder.check_size(text, names)

    fits = 110 // len(rungs[1]) if isinstance(rungs[1], tuple) else 110
    sized(fits)
    with pytest.raises(BadInputError, match=r"is too large to start: the results of a rung take about \d+ KiB"):
        sized(fits + 25)


def test_what_is_promoted_is_said_in_a_few_words():
    subjects = {"": Subject("sha256:" + "a" * 64, "c0ffee")}
    assert subject_words(subjects, subjects[""]) == f"{'a' * 12} (c0ffee)"
    several = dict.fromkeys(("", *"bcdefg"), subjects[""])
    assert subject_words(several, subjects[""]) == "7 functions (main, b, c, d, e and 2 more)"


def test_functions_are_named_each_once_and_main_is_the_projects_own():
    assert functions_of(["mailer", "main", "mailer"]) == ("mailer", "")
    assert functions_of(()) == ()
