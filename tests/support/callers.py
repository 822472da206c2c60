"""Callers who use a function while it is deployed, promoted and rolled back: every answer is counted by its version."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from stepladder.demo import traffic

HANDLER = """
import json

def handler(event, context):
    if %r and context.function_name.endswith("-production") and event:
        raise ValueError("broken for its callers")
    return {"statusCode": 200, "body": json.dumps({"version": context.function_version})}
"""
"""Answers with its version. The broken one fails every caller in production, and no smoke case: those send nothing."""
FAILED = "failed"
URL, ALIAS = "function URL", "alias"
_PAUSE = 0.05


@dataclass
class Tally:
    """What callers got during one part of a story: answers by way and version, and those that failed."""

    title: str
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.answers.values())

    @property
    def failed(self) -> int:
        return sum(count for (_, version), count in self.answers.items() if version == FAILED)

    @property
    def versions(self) -> set[str]:
        return {version for _, version in self.answers} - {FAILED}

    def __str__(self) -> str:
        each = ", ".join(
            f"{count} by {way} {version if version == FAILED else f'from {version}'}"
            for (way, version), count in sorted(self.answers.items())
        )
        return f"{self.title:<48} {self.total:>5} answers, {self.failed:>3} failed: {each}"


class Callers:
    """Threads that call one environment again and again, by its function URL and by its alias.

    `part` begins a new part of the story; a call counts to the part in which it began.
    """

    def __init__(self, client: Any, function: str, url: str, env: Mapping[str, str], each: int = 2) -> None:
        self._client, self._function, self._url, self._env = client, function, url, dict(env)
        self._counting, self._stop = threading.Lock(), threading.Event()
        self.parts = [Tally("before")]
        ways = ((URL, self._by_url), (ALIAS, self._by_alias)) * each
        self._threads = [threading.Thread(target=self._call, args=way, daemon=True) for way in ways]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def part(self, title: str) -> Tally:
        """Begin a part, and return its tally."""
        with self._counting:
            self.parts.append(Tally(title))
            return self.parts[-1]

    def _call(self, way: str, call: Callable[[], tuple[str, str]]) -> None:
        while not self._stop.is_set():
            with self._counting:
                tally = self.parts[-1]
            version, reason = call()
            with self._counting:
                tally.answers[way, version] += 1
                if reason:
                    tally.reasons.append(f"{way}: {reason}")
            self._stop.wait(_PAUSE)

    def _by_url(self) -> tuple[str, str]:
        answer = traffic.get(self._url, self._env)
        if answer.status != traffic.OK:
            return FAILED, f"{answer.status} {answer.body[:200]}"
        return _version(answer.body)

    def _by_alias(self) -> tuple[str, str]:
        try:
            answer = self._client.invoke(FunctionName=self._function, Qualifier="live", Payload=b'{"caller": 1}')
            body = answer["Payload"].read().decode()
        except Exception as error:  # noqa: BLE001 - a caller gets no answer, whatever the reason
            return FAILED, repr(error)
        return (FAILED, body[:200]) if answer.get("FunctionError") else _version(json.loads(body)["body"])


def _version(body: str) -> tuple[str, str]:
    try:
        return str(json.loads(body)["version"]), ""
    except (KeyError, TypeError, ValueError):
        return FAILED, f"an answer that no version gives: {body[:200]}"
