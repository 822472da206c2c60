"""`inv destroy`: show what will be lost, have its name typed, destroy it, and show what went and what stays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.names import is_preview
from stepladder.destroy import refusals
from stepladder.destroy.environment import EnvironmentDestroyer
from stepladder.destroy.report import DRY_RUN, HEAD, Asset, DestroyReport
from stepladder.releases.rung import Rung, clients
from stepladder.settings import placeholder
from stepladder.settings.load import Settings

__all__ = ["DestroyOptions", "DestroyReport", "confirm", "destroy_environment", "one", "show"]


@dataclass(frozen=True)
class DestroyOptions:
    """What was typed. `confirm` is the name as it was given by its flag; there is no other yes."""

    confirm: str = ""
    dry_run: bool = False
    skip_ladder: bool = False


def destroy_environment(
    settings: Settings, environment: str, *, confirmed: bool, console: Console | None = None
) -> DestroyReport:
    """Destroy an environment that a person, or the pull request of a preview, has ended; return what went.

    Any number of times: what a run that was cut off has left goes then. Raises `RefusedError` without a confirmation,
    while a deployment or a promotion is under way, and for credentials of a CI job; `LockedError` while somebody else
    is at work there.
    """
    if not confirmed:
        raise _unconfirmed(environment, f"--env {environment}", "nobody confirmed it")
    rung = opened(settings, environment, console or Console())
    refusals.check_caller(rung, preview=is_preview(environment))
    return _destroyed(EnvironmentDestroyer(rung))


def opened(settings: Settings, environment: str, console: Console) -> Rung:
    """Return an environment with its clients, after its account was compared."""
    settings = with_previews(settings.whole, environment)
    try:
        settings.environment(environment)
    except BadInputError as error:
        error.hint += "; one that was taken out of `invoke.yaml` has to stand there until it is destroyed"
        raise
    placeholder.refuse(settings, [environment])
    rung = Rung(settings, environment, clients(settings, environment), console, f"inv destroy --env {environment}")
    rung.check_caller()
    return rung


def with_previews(settings: Settings, environment: str) -> Settings:
    """Return settings that know a preview, also of a project that makes none any more."""
    if not is_preview(environment):
        return settings
    return replace(settings, previews=replace(settings.previews, enabled=True))


def one(settings: Settings, environment: str, console: Console, options: DestroyOptions) -> DestroyReport:
    """Show one environment, ask, destroy it, and print what became of it."""
    rung = opened(settings, environment, console)
    refusals.check_caller(rung, preview=is_preview(environment))
    if not options.skip_ladder:
        refusals.check_upper_rungs(rung)
    destroyer = EnvironmentDestroyer(rung)
    before = destroyer.was_cut_off
    if before:
        console.warn(f"{environment} is half destroyed: {before.owner} began at {before.since}; this goes on")
    if not destroyer.is_present:
        console.line(f"nothing of {environment} is left in {rung.names.account}, {rung.names.region}")
        return destroyer.report
    destroyer.check_state()
    destroyer.check_tools()
    show(console, destroyer.inventory)
    if options.dry_run:
        destroyer.report.result, destroyer.report.gone = DRY_RUN, destroyer.inventory
        console.hint(f"a dry run changed nothing; destroy it: `inv destroy --env {environment}`")
        return destroyer.report
    confirm(console, environment, options.confirm, f"--env {environment}")
    report = _destroyed(destroyer)
    close(console, report)
    console.hint(f"make it again: `inv deploy --env {environment}`; everything else: `inv destroy --all`")
    return report


def _destroyed(destroyer: EnvironmentDestroyer) -> DestroyReport:
    if not destroyer.is_present:
        return destroyer.report
    destroyer.check_state()
    destroyer.check_tools()
    refusals.check_idle(destroyer.rung, destroyer.targets)
    return destroyer.run()


def confirm(console: Console, name: str, given: str, flags: str) -> None:
    """Have a name typed, on a terminal or by `--confirm`. Raises `RefusedError` for any other text, and for none."""
    if given:
        typed: str | None = given
    else:
        typed = console.ask_text(f"this can't be undone. Type {name} to destroy it:")
    if typed == name:
        return
    mismatch = f"{typed!r} is not {name!r}" if typed else "no name was typed"
    raise _unconfirmed(name, flags, "nobody can be asked here" if typed is None else mismatch)


def _unconfirmed(name: str, flags: str, why: str) -> RefusedError:
    return RefusedError(
        f"{name} was not destroyed: {why}; nothing was changed",
        kind="not-confirmed",
        hint=f"type its name on a terminal, or: `inv destroy {flags} --confirm {name}`; "
        f"see it first: `inv destroy {flags} --dry-run`",
    )


def show(console: Console, parts: list[Asset]) -> None:
    """Print what will be lost."""
    if parts and not console.as_json:
        console.line(console.paint("this will be lost:", "red"))
        console.table(HEAD, [part.row for part in parts])


def close(console: Console, report: DestroyReport) -> None:
    """Print what went, and what stays and why."""
    if console.as_json:
        return
    rows = [(outcome, *part.row) for outcome, parts in (("gone", report.gone), ("kept", report.kept)) for part in parts]
    console.table(("", *HEAD), rows)
    console.line(f"{report.environment} is destroyed")
