"""Every answer recorded from AWS that a scenario asks for is given by the local cloud, but for those listed.

What is recorded, and why some answers differ or aren't asked for: tests/local/data/aws-recordings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import recorded
import recordings
import yaml
from recorded.recorder import Recorder

pytestmark = [pytest.mark.cloud, pytest.mark.contract]

SCENARIOS = recorded.every()
RECORDINGS = recordings.load()
DIFFERS: dict[str, dict[str, str]] = yaml.safe_load((recordings.DATA / "differs.yaml").read_text())
PACE = 600  # cloud seconds a second, for the waits of state machines
HURRIED = pytest.mark.timing("a second of a state machine's time limit is less than two milliseconds")
FAST = RECORDINGS.keys() - recordings.load("test_lambda_api.json").keys()


@pytest.fixture(scope="module")
def recorder(functions: Any) -> Iterator[Recorder]:
    cloud = functions.cloud
    if cloud.own:
        cloud.speed(PACE)
    yield Recorder(functions)
    if cloud.own:
        cloud.speed(1)


def different(recorder: Recorder, name: str) -> dict[str, list[str]]:
    """Return what differs from a recording, by the label of the answer."""
    matcher = recordings.Matcher(recorder.cloud.account, recorder.cloud.region)
    found: dict[str, list[str]] = {}
    for label, content in RECORDINGS[name]["recorded-content"].items():
        if label not in recorder.answers:
            found[label] = ["was not asked"]
        elif lines := list(matcher.differences(content, recorder.answers[label])):
            found[label] = lines
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=HURRIED if name in FAST else ()) for name in sorted(RECORDINGS)]
)
def test_an_answer_is_as_aws_gave_it(recorder: Recorder, name: str) -> None:
    recorder.answers = {}
    SCENARIOS[name](recorder)
    found, known = different(recorder, name), DIFFERS.get(name, {})
    unknown = [f"{label}: {line}" for label, lines in found.items() if label not in known for line in lines]
    assert not unknown, "\n".join(unknown)
    assert not set(known) - set(found), "given after all: take it out of differs.yaml"


def test_every_recording_is_asked_for_and_counted(record_property: Any, capsys: Any) -> None:
    assert set(SCENARIOS) == set(RECORDINGS)
    assert set(DIFFERS) <= set(RECORDINGS)
    unused = yaml.safe_load((recordings.DATA / "unused.yaml").read_text())
    every = {name: number for group in unused for name, number in group["recordings"].items()}
    assert not set(every) & set(RECORDINGS)
    answers = sum(len(each["recorded-content"]) for each in RECORDINGS.values())
    given = answers - sum(len(labels) for labels in DIFFERS.values())
    rest = sum(every.values())
    text = f"recorded answers of AWS: {given} given, {answers - given} differ, {rest} not asked for"
    record_property("recorded answers", text)
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - the count is what the test is for
