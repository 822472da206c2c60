"""`inv preview.*`: list the previews, destroy one, destroy those whose time is over, show one on its change request.

What is destroyed goes by `destroy_environment`, as of any environment. It may be repeated: one that was cut off is
listed until all of it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from stepladder.core.aws import known_error
from stepladder.core.clock import seconds_of
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, LockedError, StepladderError
from stepladder.core.names import is_preview, preview, preview_number
from stepladder.core.tables import Column
from stepladder.forge import registered
from stepladder.forge.interface import Forge, Posted
from stepladder.ledger.schema import Preview
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import preview_file, preview_owner
from stepladder.releases.preview_file import DESTROYED, PreviewResult
from stepladder.releases.review_comment import MARKER
from stepladder.releases.rung import Rung
from stepladder.settings import previews
from stepladder.settings.load import Settings

THIS = "pr"
"""What `--env` says for the preview of the change request that the job runs for."""
HEAD = ("preview", Column("branch", least=10), "since", "until", Column("url", least=20, spare=1))
CLOSED, OVER, HALF = "its change is closed", "its time is over", "it was half destroyed"
_LONGEST = 721 * 3600  # seconds: no deploy sets an end that is further off, whatever `previews.ttl_hours` is
Destroy = Callable[[Settings, str], Any]


@dataclass(frozen=True)
class Swept:
    """What became of one preview in a sweep, and why it was to go. `result` is kept for one that stays."""

    environment: str
    result: str
    why: str = ""


def this(settings: Settings, forge: Forge | None = None) -> str:
    """Return the environment that `--env pr` means. Raises `BadInputError` outside of a change request's job."""
    if THIS in settings.environments:
        return THIS
    number = (forge or registered.current()).change_request()
    if not is_preview(preview(number)):
        raise BadInputError(
            "`--env pr` is the preview of this job's pull or merge request, and this job runs for none",
            kind="unknown-environment",
            hint="name the preview by its number, such as pr-123; `inv preview` lists those that there are",
        )
    return preview(number)


def show(rung: Rung) -> None:
    """List the previews that exist. `rung` is the environment that they are derived from."""
    records = rung.ledger.previews()
    console = rung.console
    if console.as_json:
        console.json({"previews": {name: asdict(record) for name, record in records.items()}})
        return
    if not records:
        console.line("there are no previews")
        return
    rows = [[name, each.branch, each.since, each.until, each.url] for name, each in records.items()]
    console.table(HEAD, rows)


def destroy(rung: Rung, act: Destroy | None = None, forge: Forge | None = None) -> None:
    """Destroy one preview, and strike it out in its comment where this job may: else `inv preview.comment` does.

    Raises `BadInputError` for any other environment.
    """
    check_name(rung.settings, rung.environment)
    forge = forge or registered.current()
    record = rung.ledger.previews().get(rung.environment)
    preview_owner.check(rung.environment, record, forge)
    report = (act or _destroy(rung.console))(rung.settings, rung.environment)
    if record:
        rung.ledger.forget_preview(rung.environment, record)
    gone = report.result == DESTROYED
    if gone:
        _note(rung.settings, rung.environment, record, "the change is closed, or somebody asked for it")
    posted = _show(rung.settings, rung.environment, forge) if gone else Posted("unchanged")
    rung.console.line(f"{rung.environment} is destroyed" if gone else f"nothing of {rung.environment} is left")
    if rung.console.as_json:
        rung.console.json({"environment": rung.environment, "result": report.result, "comment": asdict(posted)})


def check_name(settings: Settings, environment: str) -> None:
    """Raise `BadInputError` for an environment that is no preview, or that isn't there."""
    settings.environment(environment)
    if not is_preview(environment):
        raise BadInputError(
            f"{environment} is no preview",
            kind="bad-arguments",
            hint="`inv preview` lists the previews",
        )


def sweep(
    rung: Rung, *, dry_run: bool = False, most: int = 20, act: Destroy | None = None, forge: Forge | None = None
) -> list[Swept]:
    """Destroy the previews whose time is over, whose change is closed, or that are half destroyed; the oldest first.

    At most `most` at once. One that fails stops no other. Raises `StepladderError` at the end when any failed.
    """
    if most < 1:
        raise BadInputError(f"--most is {most}", kind="bad-arguments", hint="give at least 1, or leave `--most` out")
    forge = forge or registered.current()
    records = rung.ledger.previews()
    now = rung.clock.now() + rung.ledger.offset
    snapshots = rung.ledger.snapshots(list(records)) if records else {}
    reasons = {name: _why(name, record, snapshots[name], now, forge) for name, record in records.items()}
    wanted = sorted((name for name, why in reasons.items() if why), key=lambda name: records[name].until)
    swept = [Swept(name, "kept") for name, why in reasons.items() if not why]
    swept += [Swept(name, "left", reasons[name]) for name in wanted[most:]]
    for name in wanted[:most]:
        swept.append(_swept(rung, name, reasons[name], records[name], dry_run=dry_run, act=act))
    failed = [each.environment for each in swept if each.result.startswith("failed")]
    if not (failed and rung.console.as_json):  # else the error holds it: there is one document
        _report(rung.console, swept)
    if failed:
        error = StepladderError(
            f"not destroyed: {', '.join(failed)}",
            kind="preview-left",
            hint=f"see why: `inv preview.destroy --env {failed[0]}`; the next sweep tries again",
        )
        error.record = {"previews": [asdict(each) for each in swept]}
        raise error
    return swept


def comment(settings: Settings, console: Console, environment: str = "", forge: Forge | None = None) -> None:
    """Show previews in a section of their change requests' comments: one, or all that there are files of.

    What a forge refuses is a warning.
    """
    forge = forge or registered.current()
    if environment:
        check_name(settings, environment)
    names = [environment] if environment else _of_job(settings, console, forge)
    if not names:
        console.line("no preview was deployed or destroyed by this job, so there is nothing to show")
    posted = {name: _show(settings, name, forge) for name in names}
    for name, each in posted.items():
        text = preview_file.rendered(preview_file.read(settings, name), forge.job_url())
        if each.done:
            console.line(f"the comment of {name} is {each.how}{f': {each.url}' if each.url else ''}")
        else:
            console.warn(f"no comment of {name}: {each.problem}")
        if not forge.summary(text) and not each.done and not console.as_json:
            console.data(text)
    if console.as_json:
        console.json({"comments": {name: asdict(each) for name, each in posted.items()}})


def _of_job(settings: Settings, console: Console, forge: Forge) -> list[str]:
    """Return the previews that there are files of. In a change request's job its own only: its code wrote the files."""
    names = preview_file.names(settings)
    number = forge.change_request()
    if not number:
        return names
    others = [name for name in names if name != preview(number)]
    if others:
        console.warn(f"{others[0]} is of another change request, which this job doesn't comment on")
    return [name for name in names if name == preview(number)]


def base(settings: Settings) -> str:
    """Return the environment that previews are derived from. Raises `BadInputError` where the project makes none."""
    previews.derived(settings, preview("1"))
    return previews.base_name(settings)


def _why(name: str, record: Preview, snapshot: Snapshot, now: float, forge: Forge) -> str:
    """Return why a preview is to go; empty for one that stays."""
    if snapshot.destroying:
        return HALF
    if not now < seconds_of(record.until) <= now + _LONGEST:
        return OVER
    if preview_owner.is_of_another(record, forge):
        return ""  # its number is another request's in this repository
    return CLOSED if forge.is_closed(preview_number(name)) else ""


def _swept(rung: Rung, name: str, why: str, record: Preview, *, dry_run: bool, act: Destroy | None) -> Swept:
    if dry_run:
        return Swept(name, "would be destroyed", why)
    if rung.ledger.previews().get(name) != record:
        return Swept(name, "kept", "it was deployed, or destroyed, meanwhile")
    try:
        (act or _destroy(rung.console))(rung.settings, name)
        rung.ledger.forget_preview(name, record)
    except LockedError as error:
        return Swept(name, "busy", error.message)
    except Exception as error:
        known = known_error(error)
        if known is None:
            raise
        return Swept(name, f"failed: {known.message}", why)
    _note(rung.settings, name, record, why)
    return Swept(name, DESTROYED, why)


def _report(console: Console, swept: list[Swept]) -> None:
    if console.as_json:
        console.json({"previews": [asdict(each) for each in swept]})
        return
    if not swept:
        console.line("there are no previews")
    for each in swept:
        console.line(f"{each.environment}: {each.result}{f' ({each.why})' if each.why else ''}")


def _note(settings: Settings, environment: str, record: Preview | None, why: str) -> None:
    """Leave the file that says that a preview is gone."""
    url = record.url if record else ""
    preview_file.write(settings, PreviewResult(environment, DESTROYED, url=url, problem=why))


def _show(settings: Settings, environment: str, forge: Forge) -> Posted:
    text = preview_file.rendered(preview_file.read(settings, environment), forge.job_url())
    return forge.section(preview_number(environment), text, MARKER, preview_file.SECTION)


def _destroy(console: Console) -> Destroy:
    from stepladder.commands.destroy import destroy_environment

    return lambda settings, environment: destroy_environment(settings, environment, confirmed=True, console=console)
