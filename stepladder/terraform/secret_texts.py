"""Hide texts that are secret wherever they stand in others, in a time that doesn't grow with how many there are.

A plan may have thousands of sensitive values and of changes: trying each on each would take hours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

SHORTEST = 6
"""Shorter texts are hidden where they are sensitive, and not searched for elsewhere: `true` stands everywhere."""


class SecretTexts:
    """Texts to hide, known by their first characters."""

    def __init__(self, texts: Iterable[str]) -> None:
        written = {json.dumps(text, ensure_ascii=False)[1:-1] for text in texts if len(text) >= SHORTEST}
        self._index: dict[str, list[str]] = {}
        for text in sorted(written, key=len, reverse=True):
            self._index.setdefault(text[:SHORTEST], []).append(text)

    def hide(self, text: str, mark: str) -> str:
        """Return a JSON text with a mark in place of each secret; those that overlap are hidden as one."""
        parts, end = [], 0
        for start, stop in _spans(text, self._index):
            parts += [text[end:start], mark]
            end = stop
        return "".join([*parts, text[end:]])


def _spans(text: str, index: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Yield where secrets stand, those that overlap as one."""
    start = stop = -1
    for at in range(len(text) - SHORTEST + 1 if index else 0):
        listed = index.get(text[at : at + SHORTEST])
        end = next((at + len(secret) for secret in listed if text.startswith(secret, at)), 0) if listed else 0
        if not end:
            continue
        if at >= stop:
            if stop > start:
                yield start, stop
            start = at
        stop = max(stop, end)
    if stop > start:
        yield start, stop
