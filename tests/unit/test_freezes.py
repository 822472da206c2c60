"""Freezes: what people may write, when a window holds, and that the pipeline decides as the client does."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from stepladder.core.errors import BadInputError
from stepladder.core.freeze_facts import FreezeWindow, begins, freeze_at, from_json, local_time, to_json
from stepladder.settings import freezes, rung_gates
from stepladder.settings.freezes import offset, offsets
from stepladder.settings.load import Settings, load

PLACE = {"account": "123456789012", "region": "eu-west-1"}
WEEKEND = "fri 16:00 - mon 08:00 Europe/Berlin"


def settings(
    root: Path, freeze: Any = None, rungs: Any = None, names: tuple[str, ...] = ("staging", "production")
) -> Settings:
    promotion = {**({"freeze": freeze} if freeze is not None else {}), "rungs": rungs or {}}
    told = {"project": "orders", "rungs": list(names), "environments": dict.fromkeys(names, PLACE)}
    return load(told | {"promotion": promotion}, root)


def windows(root: Path, *freeze: Any) -> tuple[FreezeWindow, ...]:
    return settings(root, list(freeze)).promotion.policies["production"].freeze


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("window", "when", "until"),
    [
        (WEEKEND, "2026-11-27 15:59", ""),
        (WEEKEND, "2026-11-27 16:00", "Mon 2026-11-30 08:00 Europe/Berlin"),
        (WEEKEND, "2026-11-30 07:59", "Mon 2026-11-30 08:00 Europe/Berlin"),
        (WEEKEND, "2026-11-30 08:00", ""),
        (WEEKEND, "2026-10-24 12:00", "Mon 2026-10-26 08:00 Europe/Berlin"),  # the clocks go back on that Sunday
        (WEEKEND, "2027-03-27 12:00", "Mon 2027-03-29 08:00 Europe/Berlin"),  # and forward on this one
        ("tue 09:00 - tue 10:30", "2026-11-24 09:45", ""),  # UTC, which is an hour later
        ("tue 09:00 - tue 10:30", "2026-11-24 11:15", "Tue 2026-11-24 10:30 UTC"),
        ("2026-12-20 - 2027-01-03 Europe/Berlin", "2026-12-19 23:59", ""),
        ("2026-12-20 - 2027-01-03 Europe/Berlin", "2026-12-20 00:00", "Mon 2027-01-04 00:00 Europe/Berlin"),
        ("2026-12-20 - 2027-01-03 Europe/Berlin", "2027-01-03 23:59", "Mon 2027-01-04 00:00 Europe/Berlin"),
        (
            "2026-12-20 18:00 - 2026-12-21 09:00 Asia/Kathmandu",
            "2026-12-21 04:00",
            "Mon 2026-12-21 09:00 Asia/Kathmandu",
        ),
    ],
)
def test_a_window_holds_from_its_beginning_to_its_end(tmp_path: Path, window: str, when: str, until: str) -> None:
    frozen = windows(tmp_path, {"window": window, "reason": "why not"})
    held = freeze_at(frozen, at(when), offset)
    assert (local_time(held.until, held.window.zone, offset) if held else "") == until
    rungs, told_offset = from_json(to_json({"production": frozen}, {frozen[0].zone: offsets(frozen[0].zone)}))
    assert freeze_at(rungs["production"], at(when), told_offset) == held, "the pipeline decides as the client"


def test_windows_that_touch_are_one_freeze_with_the_reason_of_the_first(tmp_path: Path) -> None:
    frozen = windows(tmp_path, WEEKEND, {"window": "2026-11-30 08:00 - 2026-12-02 Europe/Berlin", "reason": "audit"})
    held = freeze_at(frozen, at("2026-11-28 12:00"), offset)
    assert held
    assert held.sentence(offset) == f"until Thu 2026-12-03 00:00 Europe/Berlin ({WEEKEND})"


def test_the_next_beginning_is_known(tmp_path: Path) -> None:
    weekend, audit = windows(tmp_path, WEEKEND, "2026-12-01 - 2026-12-01 Europe/Berlin")
    assert begins(weekend, at("2026-11-26 15:00"), offset) == at("2026-11-27 16:00")
    assert begins(audit, at("2026-11-26 15:00"), offset) == at("2026-12-01 00:00")
    assert begins(audit, at("2026-12-01 15:00"), offset) is None


@pytest.mark.parametrize(
    ("freeze", "problem"),
    [
        ("fri 16:00 - mon 08:00", "stepladder.promotion.freeze is 'fri 16:00 - mon 08:00'; allowed: a list"),
        ([7], "stepladder.promotion.freeze.0 is 7; allowed: `fri 16:00"),
        (["some day"], "stepladder.promotion.freeze.0 is 'some day'"),
        (["fri 25:00 - mon 08:00"], "stepladder.promotion.freeze.0"),
        (["foo 16:00 - mon 08:00"], "days such as mon, tue"),
        (["fri 16:00 - mon 08:00 Europe/Berlim"], "did you mean `Europe/Berlin`"),
        (["fri 16:00 - mon 08:00 Mars/Olympus"], "a time zone of the IANA database"),
        (["mon 00:00 - mon 00:00"], "this one covers the whole week"),
        (["mon 00:00 - sun 24:00"], "this one covers the whole week"),
        (["mon 00:00 - fri 00:00", "thu 12:00 - mon 00:00"], "leave some time of the week"),
        (["2027-01-03 - 2026-12-20"], "an end after the beginning"),
        (["2026-12-20 12:00 - 2026-12-20 12:00"], "an end after the beginning"),
        (["2026-02-30 - 2026-03-01"], "days of the calendar"),
        (["2026-01-01 - 2036-01-01"], "at most a year"),
        ([WEEKEND, WEEKEND], "each window once"),
        ([{"window": WEEKEND, "because": "x"}], "freeze.0.because is not a setting"),
        ([{"reason": "x"}], "stepladder.promotion.freeze.0 is None"),
        (["9999-12-01 - 9999-12-31"], "days of the years 2000 to 2099"),
        (["0001-01-01 - 0001-02-01 America/New_York"], "days of the years 2000 to 2099"),
        (["fri 1\u0666:00 - mon 08:00"], "each week, or"),
        ([{"window": WEEKEND, "reason": 7}], "freeze.0.reason is 7"),
        ([{"window": WEEKEND, "reason": "x" * 201}], "a text of one line, of at most 200 characters"),
        ([{"window": WEEKEND, "reason": "two\nlines"}], "a text of one line, of at most 200 characters"),
    ],
    ids=str,
)
def test_a_freeze_that_makes_no_sense_is_named_with_what_is_wrong(tmp_path: Path, freeze: Any, problem: str) -> None:
    with pytest.raises(BadInputError) as bad:
        settings(tmp_path, freeze)
    assert problem in " ".join(bad.value.problems)


def test_a_machine_without_time_zones_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_zone(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", no_zone)
    monkeypatch.setattr(freezes, "_is_zone", freezes._is_zone.__wrapped__)
    monkeypatch.setattr(freezes, "_zones", tuple)
    with pytest.raises(BadInputError) as bad:
        settings(tmp_path, [WEEKEND])
    assert "UTC, since this machine has no database of time zones" in " ".join(bad.value.problems)
    assert settings(tmp_path, ["fri 16:00 - mon 08:00"]).promotion.freeze


def test_every_rung_but_the_lowest_is_frozen_unless_its_own_setting_says_otherwise(tmp_path: Path) -> None:
    names = ("staging", "qa", "production")
    own = {"staging": {"freeze": ["sun 00:00 - sun 12:00"]}, "qa": {"freeze": []}}
    policies = settings(tmp_path, [WEEKEND], own, names).promotion.policies
    assert [str(w) for w in policies["production"].freeze] == [WEEKEND]
    assert policies["qa"].freeze == ()
    assert [str(w) for w in policies["staging"].freeze] == ["sun 00:00 - sun 12:00"]
    assert settings(tmp_path, [WEEKEND], names=names).promotion.policies["staging"].freeze == ()
    assert settings(tmp_path, [WEEKEND], names=("production",)).promotion.policies["production"].freeze


def test_a_project_without_gates_gives_terraform_nothing_new(tmp_path: Path) -> None:
    plain = settings(tmp_path)
    assert rung_gates.delivery(plain, "production") == rung_gates.service(plain, "production") == {}
    told = rung_gates.delivery(settings(tmp_path, [WEEKEND]), "staging")
    assert set(told) == {"freezes"}
    assert len(told["freezes"]) < 800, "the functions' variables hold 4 KB"


def test_codedeploy_watches_the_alarms_of_its_own_place_as_far_as_it_takes_them(tmp_path: Path) -> None:
    here, there = (
        "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:here",
        "arn:aws:cloudwatch:us-east-1:123456789012:alarm:x",
    )
    names = [f"alarm-{number}" for number in range(8)]
    made = settings(tmp_path, rungs={"production": {"alarms": [here, there, *names]}})
    assert rung_gates.service(made, "production") == {"gate_alarms": ["here", *names[:6]]}
    assert rung_gates.delivery(made, "production") == {"gate_alarms": {"production": [here, there, *names]}}
    assert rung_gates.service(made, "staging") == {}
    with pytest.raises(BadInputError, match="settings"):
        settings(tmp_path, rungs={"production": {"alarms": ["arn:aws:sns:eu-west-1:123456789012:topic"]}})
