"""What the check function is sent by verify, and what it answers."""

from typing import Any, TypedDict


class CheckAnswerRequest(TypedDict):
    """Run a function of a file, given as text, on an answer and on what steps before captured."""

    file: str
    function: str
    source: str
    answer: Any
    captured: dict[str, Any]


class CheckAnswerResponse(TypedDict):
    """A line for each problem; none when the answer is as it should be."""

    problems: list[str]
