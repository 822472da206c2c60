"""`inv function.*`: single steps on the function, by hand."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    help={
        "env": "Environment to release on.",
        "digest": "Digest to release, or the beginning of one that the ledger knows.",
        "version": "Published version whose image to release.",
        "force": "Release an image that was marked bad.",
        "no_smoke": "Skip the smoke cases; the release is recorded as untested.",
        "skip_ladder": "Release the image above the lowest rung without a promotion; needs --why.",
        "why": "Reason for --skip-ladder; the ledger keeps it.",
        "json": "Print one JSON record.",
    },
    auto_shortflags=False,
)
def release(  # noqa: PLR0917 - each is a flag of the command line
    c: Any,
    env: str,
    digest: str = "",
    version: str = "",
    force: bool = False,
    no_smoke: bool = False,
    skip_ladder: bool = False,
    why: str = "",
    json: bool = False,
) -> None:
    """Release an image that was pushed before: publish, test, move the alias, verify."""
    from dataclasses import asdict

    from stepladder.commands import release_existing
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv function.release", as_json=json, acting=True)
    options: dict[str, Any] = {"force": force, "no_smoke": no_smoke, "skip_ladder": skip_ladder, "why": why}
    done = release_existing.release(rung, digest=digest, version=version, **options)
    if json:
        rung.console.json(asdict(done.release))


@task(
    help={
        "env": "Environment to call; with --local, whose settings the function gets (default: the lowest rung).",
        "payload": "Event as JSON text; default: {}.",
        "event": "File with the event as JSON.",
        "version": "Version to call; default: what the alias serves.",
        "local": "Build the function from the working tree and call it once; deploy nothing.",
        "whole_log": "Show every line that Lambda adds to the log; default: time and memory only.",
    },
    auto_shortflags=False,
)
def invoke(
    c: Any,
    env: str = "",
    payload: str = "",
    event: str = "",
    version: str = "",
    local: bool = False,
    whole_log: bool = False,
) -> None:
    """Call the function, print its answer as data and the end of its log; exit 1 when it fails."""
    from stepladder.collections import usage
    from stepladder.commands import invoke as invocation
    from stepladder.core.errors import BadInputError, StepladderError

    if local and version:
        raise BadInputError(
            "--local has no versions: it calls what stands here",
            kind="bad-arguments",
            hint="leave out `--version` or `--local`",
        )
    if not env and not local:
        raise usage.missing(c, "inv function.invoke", "--env")
    if local:
        error = _call_local(c, env, invocation.read_payload(payload, event), whole_log)
    else:
        from stepladder.releases.rung import opened

        rung = opened(c, env, "inv function.invoke")
        answer = invocation.invoke(rung, payload=payload, event=event, version=version, whole_log=whole_log)
        error = answer.error or ""
    if error:
        raise StepladderError(
            f"the function failed: {error}",
            kind="function-failed",
            hint="the end of its log stands above; `--whole-log` prints all of it",
        )


def _call_local(c: Any, env: str, event: Any, whole_log: bool) -> str:
    from stepladder.commands import invoke_once
    from stepladder.core.console import Console
    from stepladder.settings import load

    return invoke_once.invoke(load.from_context(c), env, event, Console(), whole_log=whole_log)
