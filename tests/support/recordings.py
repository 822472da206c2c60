"""Answers recorded from AWS, and how the local cloud's are compared with them.

A recording holds placeholders where AWS gave account, region, names, ids and times. Each stands for one value all over
a recording, and two of one kind for two values: so the revisions that change are compared too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "local" / "data" / "aws-recordings"
ACCOUNT = "111111111111"  # as recordings write it
ANYTHING = ("code-size", "location", "request_id")  # differ from answer to answer under one name
TIMES = ("date", "datetime", "timestamp", "start-time", "entered-time")
NAMES = (
    "snf_role_arn",
    "table-name",
    "bucket-name",
    "file-key",
    "lambda_function_name",
)  # placeholders without brackets
CHANCE = ("lambda-url", "x-amzn-RequestId", "x-amzn-requestid", "RequestId", "X-Amzn-Trace-Id", "x-amz-crc32", "Server")
PLACEHOLDER = re.compile(r"<([A-Za-z_0-9-]+(?::[a-z]+\(\d+\)|:\d+|_\d+[a-z]*)?)>")

Scenario = Callable[[Any], None]


def load(files: str = "*.json") -> dict[str, dict[str, Any]]:
    """Return the recordings of these files that have a scenario: name -> date and answers."""
    every: dict[str, dict[str, Any]] = {}
    for path in sorted(DATA.glob(files)):
        every |= json.loads(path.read_text())
    return every


@dataclass
class Matcher:
    """Compares answers with recorded ones; remembers what each placeholder stands for."""

    account: str
    region: str
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values |= {"partition": "aws", "region": self.region}

    def differences(self, recorded: Any, answer: Any, path: str = "") -> Iterator[str]:
        """Yield where an answer isn't what was recorded, one line each."""
        if isinstance(recorded, Mapping) and isinstance(answer, Mapping):
            yield from self._of_mappings(recorded, answer, path)
        elif isinstance(recorded, list) and isinstance(answer, list):
            if len(recorded) != len(answer):
                yield f"{path} has {len(answer)} items, recorded {len(recorded)}"
            for number, (one, other) in enumerate(zip(recorded, answer, strict=False)):
                yield from self.differences(one, other, f"{path}[{number}]")
        elif not self._same(recorded, answer):
            yield f"{path} is {short(answer)}, recorded {short(recorded)}"

    def _of_mappings(self, recorded: Mapping[str, Any], answer: Mapping[str, Any], path: str) -> Iterator[str]:
        if path.endswith("HttpHeaders"):  # how their names are written differs from answer to answer
            recorded, answer = _lower(recorded), _lower(answer)
        for key in sorted({*recorded, *answer}):
            if key not in answer:
                yield f"{path}.{key} is missing: {short(recorded[key])}"
            elif key not in recorded:
                yield f"{path}.{key} was not recorded: {short(answer[key])}"
            else:
                yield from self.differences(recorded[key], answer[key], f"{path}.{key}")

    def _same(self, recorded: Any, answer: Any) -> bool:
        if not isinstance(recorded, str):
            return bool(recorded == answer and isinstance(recorded, bool) == isinstance(answer, bool))
        if recorded in TIMES:
            return bool(re.match(r"\d{4}-\d\d-\d\dT|\d{9}|\w{3}, \d\d \w{3} \d{4} ", str(_only(answer))))
        if recorded in NAMES:
            return bool(self.values.setdefault(recorded, str(answer)) == answer)
        if recorded in CHANCE:
            return bool(answer)
        if PLACEHOLDER.search(recorded):
            return isinstance(answer, str | int) and self.fits(recorded, str(answer))
        return bool(self.plain(recorded) == answer)

    def plain(self, recorded: Any) -> Any:
        return recorded.replace(ACCOUNT, self.account) if isinstance(recorded, str) else recorded

    def fits(self, recorded: str, answer: str) -> bool:
        """Say whether a text is what a recorded one with placeholders says; bind those that are new."""
        names: list[str] = []
        pattern, at = "", 0
        for match in PLACEHOLDER.finditer(recorded):
            pattern += re.escape(self.plain(recorded[at : match.start()]))
            at, name = match.end(), match[1]
            if repeated := re.fullmatch(r"([a-z]):len\((\d+)\)", name):
                pattern += repeated[1] * int(repeated[2])
            elif name in self.values:
                pattern += re.escape(self.values[name])
            elif name in names:
                pattern += f"(?P=p{names.index(name)})"
            elif name in ANYTHING:
                pattern += "(?:.*?)"
            else:
                pattern += f"(?P<p{len(names)}>.+?)"
                names.append(name)
        pattern += re.escape(self.plain(recorded[at:]))
        fitting = re.fullmatch(pattern, answer, re.DOTALL)
        if not fitting:
            return False
        for number, name in enumerate(names):
            kind, value = name.partition(":")[0], fitting[f"p{number}"]
            if any(other == value and key.partition(":")[0] == kind for key, other in self.values.items()):
                return False  # one value under two numbers: what AWS changed was not changed
            self.values[name] = value
        return True


def short(value: Any, most: int = 300) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= most else f"{text[:most]}..."


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _lower(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in headers.items()}
