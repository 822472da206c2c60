"""A name that was mistyped is answered with the one that was meant, wherever names are given by hand."""

from __future__ import annotations

import pytest

from stepladder.core.errors import BadInputError
from stepladder.images.parsers.dockerfile import instructions
from stepladder.releases import smoke_suite
from stepladder.releases.smoke_case import SmokeCasesError
from stepladder.settings.load import load

PLACE = {"account": "123456789012", "region": "eu-west-1"}
BOTH = {"staging": PLACE, "production": PLACE}


@pytest.mark.parametrize(
    ("change", "meant"),
    [
        ({"promotion": {"rungs": {"prodction": {"approval": True}}}}, "production"),
        ({"promotion": {"rungs": {"production": {"aproval": True}}}}, "approval"),
        ({"promotion": {"scan_treshold": "LOW"}}, "scan_threshold"),
        ({"promotion": {"scan_threshold": "CRITICL"}}, "CRITICAL"),
        ({"environments": {**BOTH, "production": {**PLACE, "acount": "1"}}}, "account"),
        ({"function": {"alarms": {"periodes": 2}}}, "periods"),
        ({"function": {"log_level": "WARNING"}}, "WARN"),
        ({"image": {"bilder": "docker"}}, "builder"),
        ({"smoke": {"paht": "tests"}}, "path"),
    ],
    ids=str,
)
def test_in_the_settings(tmp_path, change, meant):
    with pytest.raises(BadInputError) as caught:
        load({"project": "a", "environments": BOTH, **change}, tmp_path)
    assert [f"did you mean `{meant}`?" in problem for problem in caught.value.problems] == [True]


@pytest.mark.parametrize(
    ("case", "meant"),
    [
        ('{"name": "x", "expected": {}}', "did you mean `expect`? allowed: name, payload"),
        ('{"name": "x", "expect": {"stats": 200}}', "did you mean `status`? allowed: status, result"),
    ],
)
def test_in_a_smoke_case(tmp_path, case, meant):
    (tmp_path / "x.json").write_text(case, "utf-8")
    with pytest.raises(SmokeCasesError) as caught:
        smoke_suite.load(tmp_path)
    assert meant in caught.value.problems[0]


def test_in_a_dockerfile():
    with pytest.raises(BadInputError) as caught:
        list(instructions("FROM a\nCOPPY . .\n", "Dockerfile"))
    assert caught.value.hint == "did you mean `COPY`?"


def test_of_a_flag_s_value(harness):
    with pytest.raises(BadInputError) as caught:
        harness.deploy(infra="alwys")
    assert caught.value.hint == "did you mean `always`? allowed: auto, always, never"
