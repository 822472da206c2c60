"""What `inv status` says below its table: what deserves a line of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stepladder.aws_lambda import function_url
from stepladder.core.clock import ago, seconds_of, stamp
from stepladder.core.console import Console
from stepladder.core.display import one_line, plain_cause
from stepladder.core.names import flags_of, split_target
from stepladder.core.release_facts import short
from stepladder.ledger.words import result_words
from stepladder.releases import marks

if TYPE_CHECKING:
    from stepladder.commands.status import BadMark, PreviewStatus, RungStatus

_WARNING = len("warning: ")


def print_environments(console: Console, statuses: Sequence[RungStatus], now: float) -> None:
    """Print of each environment what is no one function's: that it is a preview, or half destroyed."""
    known = {split_target(status.environment)[0]: status for status in reversed(statuses)}
    for name, status in reversed(known.items()):
        if status.preview:
            _print_preview(console, name, status.preview, now)
        if status.destroying:
            console.warn(f"{name} is half destroyed, since {status.destroying}")
            console.hint(f"go on with it: `inv {'preview.destroy' if status.preview else 'destroy'} --env {name}`")


def print_notes(console: Console, statuses: Sequence[RungStatus], now: float) -> None:
    """Print what deserves a line of its own."""
    for status in statuses:
        if status.lock_job:
            console.line(f"{status.environment}: at work there: {status.lock_job}")
        if status.drift:
            console.warn(f"{status.environment}: drift: {status.drift}")
        if status.skipped_ladder:
            console.warn(f"{status.environment}: released past the ladder: {status.skipped_ladder}")
        for mark in status.bad:
            _print_mark(console, status.environment, mark, now)
        if status.last_failure:
            _print_failure(console, status)


def _print_preview(console: Console, environment: str, preview: PreviewStatus, now: float) -> None:
    left = seconds_of(preview.until) - now
    ends = f"ends in {ago(stamp(now - left), now)}" if left > 0 else f"ended {ago(preview.until, now)} ago"
    branch = f" of {one_line(preview.branch)}" if preview.branch else ""
    url = f", {function_url.shown(preview.url)}" if preview.url else ""
    console.line(f"{environment}: preview{branch}, {ends}{url}")
    if left <= 0:
        console.hint("destroy the previews whose time is over: `inv preview.sweep`")


def _print_mark(console: Console, environment: str, mark: BadMark, now: float) -> None:
    who = f"{mark.by}, {ago(mark.marked_at, now)} ago"
    text = f"{environment}: image {short(mark.digest)} of version {mark.version} is marked bad by {who}"
    console.warn(console.brief(f"{text}: {plain_cause(mark.why)}", used=_WARNING))
    console.hint(f"if it is good after all: `{marks.unmark_command(mark.digest)}`")


def _print_failure(console: Console, status: RungStatus) -> None:
    release, _, cause = status.last_failure.partition(": ")
    text = f"{status.environment}: the last release {result_words(status.last_result)}: {plain_cause(cause)}"
    shown = console.brief(text, used=_WARNING)
    console.warn(shown)
    if shown != text:
        console.hint(f"all of it: `inv ledger {flags_of(status.environment)} --release {release}`")
