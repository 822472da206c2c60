"""How stored texts are shown to a person: on one line, without class names, cut to a width. Nothing stored changes."""

from __future__ import annotations

import json
import re
import unicodedata

ELLIPSIS = "…"

ERROR_NAMES = (
    "Abandoned",
    "AlarmFiredError",
    "ApprovalRejected",
    "CanaryFailedError",
    "CanaryInconclusiveError",
    "ChildTimedOut",
    "DeploymentFailed",
    "DeploymentInFlight",
    "DeploymentTimedOut",
    "ElsewhereError",
    "LockedError",
    "NoVerdict",
    "NotServedError",
    "PipelineError",
    "ProbeFailedError",
    "RecordingFailed",
    "RefusedBeforeTraffic",
    "RefusedError",
    "RollbackFailed",
    "RollbackFailedError",
    "RolledBack",
    "ScanPendingError",
    "ShiftTimedOut",
    "SiblingFailed",
    "SmokeFailedError",
    "StaleRevisionError",
    "StillRollingBackError",
    "StillWaitingError",
    "TransientError",
)
"""What the promotion's state machine and functions call their errors; a test compares."""

# Patterns, which `re` compiles and keeps at their first use: most commands show no cause at all.
_NAMES = "|".join(ERROR_NAMES)
_DOTTED = r"(?:[A-Z]\w+\.)[A-Z]\w+"  # Step Functions' own, like States.Timeout and Lambda.ServiceException
_NAME_ALONE = rf"(?:{_NAMES}|{_DOTTED}):?"
_LEADING = rf"(?:{_DOTTED}|ClientError): +(?=\S)"
_INSIDE = rf"\b(?:{_NAMES}): +(?=\S)"
_BRACKETS = rf" \((?:{_NAMES})\)"
_ALARMED = (  # CodeDeploy's code, then its prose
    r"(?:deployment (?P<deployment>\S+) ended Stopped: )?ALARM_ACTIVE: [^<>]*Activated alarms: <(?P<alarms>[^<>]+)>"
)
_STOPPED = r"(?<!ended Stopped): MANUAL_STOP: [^()]*(?=$| \()"  # by our own rollback, for what stands before
_HUMPS = r"(?<=[a-z])(?=[A-Z])"
_ESCAPE = "\x1b"
_ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])"


def one_line(text: str) -> str:
    """Return a text as one line that can't control a terminal: no line breaks, no escape sequences."""
    return _harmless(" ".join(_unescaped(text).split()))


def without_escapes(text: str) -> str:
    """Return a text without the sequences that move a terminal's cursor or colour it, and without carriage returns."""
    return _unescaped(text).replace("\r", "")


def harmless(text: str) -> list[str]:
    """Return the lines of a text, indented as they are, that can't control a terminal."""
    return [_harmless(line.expandtabs(4)) for line in _unescaped(text).splitlines()]


def plain(text: str) -> str:
    """Return a text for people: without class names of ours before its sentences, and without control codes."""
    lines = [_harmless(line.replace("\t", " ")) for line in _unescaped(text).split("\n")]
    return "\n".join(re.sub(_BRACKETS, "", re.sub(_INSIDE, "", line)) for line in lines)


def shortened(text: str) -> str:
    """Say in a few words what CodeDeploy says in two sentences: that an alarm, or our own rollback, stopped it."""

    def replaced(match: re.Match[str]) -> str:
        stopped = f" and stopped deployment {match['deployment']}" if match["deployment"] else ""
        return f"alarm {match['alarms']} fired{stopped} (ALARM_ACTIVE)"

    return re.sub(_STOPPED, "", re.sub(_ALARMED, replaced, text))


def unwrapped(cause: str) -> str:
    """Return a cause with the messages of Lambda's errors in place of their JSON, which may stand amid other text."""
    decoder, text, start = json.JSONDecoder(), cause, 0
    while (start := text.find("{", start)) >= 0:
        try:
            replaced, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            replaced, end = None, start + 1
        if isinstance(replaced, dict) and isinstance(replaced.get("errorMessage"), str):
            text = f"{text[:start]}{replaced['errorMessage']}{text[end:]}"
            end = start + len(replaced["errorMessage"])
        start = end
    return text


def plain_cause(cause: str) -> str:
    """Return a stored cause as people read it: one line, without the class names that stand before its sentences.

    `RefusedError: the image is too big` becomes `the image is too big`. What the user's own function raised stays, what
    a person wrote stays, and so do AWS's error codes in brackets. A cause that is only a name becomes its words.
    """
    text = one_line(unwrapped(cause))
    if re.fullmatch(_NAME_ALONE, text):
        return re.sub(_HUMPS, " ", text.rstrip(": ").rpartition(".")[2].removesuffix("Error")).lower()
    text = shortened(plain(text))
    leading = re.match(_LEADING, text)
    return text[leading.end() :] if leading else text


def _unescaped(text: str) -> str:
    return re.sub(_ESCAPES, "", text) if _ESCAPE in text else text


def _harmless(line: str) -> str:
    kept = "".join(c for c in line if unicodedata.category(c) not in {"Cc", "Cf"} or c == "\u200d")
    return kept.encode("utf-8", "backslashreplace").decode()  # half of a pair, which JSON can say and no output take


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes; wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_cells(c) for c in text)


def cut(text: str, width: int) -> str:
    """Cut a text to a terminal's columns, with an ellipsis where something is missing."""
    if width_of(text) <= width:
        return text
    kept, room = "", width - 1
    for c in text:
        room -= _cells(c)
        if room < 0:
            break
        kept += c
    return f"{kept.rstrip()}{ELLIPSIS}" if width > 0 else ""


def _cells(c: str) -> int:
    if unicodedata.combining(c) or unicodedata.category(c) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(c) in {"W", "F"} else 1


def megabytes(size: int) -> str:
    """Return a number of bytes in decimal megabytes: `12.3 MB`."""
    return f"{size / 1e6:.1f} MB"
