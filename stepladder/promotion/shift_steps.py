"""What follows on a width of a shift by the state machine: wait, widen, ask a person, or verify.

Pure, and of the standard library only: the pipeline's function carries it. A width that has no judgement stays. After
its limit a person is asked, or the shift ends as the settings say. It is never widened because time is up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from stepladder.promotion.contract import ShiftInput, ShiftProgress

Move = Literal["wait", "widen", "ask", "verify", "restore"]
REJECTED = "rejected"
_ALL = 100
_USUAL_QUESTION_POLLS = 200


@dataclass(frozen=True)
class Known:
    """What is known at a poll: whether the judgement is a pass, the new version's requests in the bake, an answer.

    An answer is the decision that the ledger has, empty while nobody gave one.
    """

    passes: bool
    requests: int = 0
    answer: str = ""


def width(shift: ShiftInput, progress: ShiftProgress) -> int:
    """Return the percentage that the new version has at a step."""
    return shift["widths"][progress["step"]]


def is_baking(shift: ShiftInput, progress: ShiftProgress) -> bool:
    """Say whether the new version has all traffic."""
    return width(shift, progress) == _ALL


def moves(progress: ShiftProgress) -> list[str]:
    """Return the times at which the new version got more traffic, the first one first."""
    return list(progress.get("moves") or (progress["began"], progress["moved"]))


def seconds_between(earlier: str, later: str) -> float:
    """Return the seconds between two times as Step Functions writes them."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def following(shift: ShiftInput, progress: ShiftProgress, at: str, known: Known) -> Move:
    """Return what follows at a time. `restore` ends a shift without blaming the version."""
    passed, bakes = seconds_between(progress["moved"], at), is_baking(shift, progress)
    enough = known.requests >= shift["bake_requests"]
    passes = enough if bakes else known.passes
    if progress["questioned"] and not passes:
        return _questioned(shift, progress, at, known.answer)
    if bakes and passes:
        return "verify" if shift["bake_requests"] or passed >= shift["bake_seconds"] else "wait"
    if passed < (shift["bake_seconds"] if bakes else shift["seconds"][progress["step"]]):
        return "wait"
    if passes:
        return "widen"
    return _without_judgement(shift, progress) if bakes or passed >= shift["limit_seconds"] else "wait"


def _questioned(shift: ShiftInput, progress: ShiftProgress, at: str, answer: str) -> Move:
    if not answer and seconds_between(progress["questioned"], at) < shift["ask_seconds"]:
        return "wait"
    if answer in ("", REJECTED):
        return "restore"
    return "verify" if is_baking(shift, progress) else "widen"


def _without_judgement(shift: ShiftInput, progress: ShiftProgress) -> Move:
    if shift["inconclusive"] == "restore":
        return "restore"
    return "wait" if progress["questioned"] else "ask"


def question(environment: str) -> str:
    """Return the name under which the ledger has a canary's question, in place of a rung's; no rung has a colon."""
    return f"{environment}:canary"


def pause(shift: ShiftInput, poll_seconds: int, *, has_question: bool) -> int:
    """Return the seconds until the next poll; while a person is asked there are fewer of them."""
    if not has_question:
        return poll_seconds
    usual = max(poll_seconds, shift["ask_seconds"] // _USUAL_QUESTION_POLLS)
    return shift.get("ask_poll_seconds", usual)
