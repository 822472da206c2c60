"""`inv function.*`: single steps on the function, by hand."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    help={
        "env": "environment to release on",
        "digest": "image to release: its digest, or the beginning of one that the ledger knows",
        "version": "published version whose image is to be released",
        "force": "release an image that was marked bad",
        "no_smoke": "run no smoke case: release untested, which the ledger says",
        "skip_ladder": "release it above the lowest rung without a promotion; needs --why",
        "why": "reason for --skip-ladder, for the ledger",
        "json": "print one JSON record",
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
    asked: dict[str, Any] = {"force": force, "no_smoke": no_smoke, "skip_ladder": skip_ladder, "why": why}
    done = release_existing.release(rung, digest=digest, version=version, **asked)
    if json:
        rung.console.json(asdict(done.release))


@task(
    help={
        "env": "environment to call (with --local: whose settings the function gets; default: the lowest rung)",
        "payload": "event as JSON text; {} by default",
        "event": "file with the event as JSON",
        "version": "version to call instead of what the alias serves",
        "local": "build the function as it stands here and call that once; nothing is deployed",
        "whole_log": "show the lines that Lambda adds to the log too, not just time and memory",
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
    """Call the function, print its answer as data and the end of its log; exit code 1 when it fails."""
    from stepladder.collections import usage
    from stepladder.commands import invoke as invocation
    from stepladder.core.errors import BadInputError, StepladderError

    if local and version:
        raise BadInputError(
            "--local has no versions: it calls what stands here",
            kind="bad-arguments",
            hint="leave out --version or --local",
        )
    if not env and not local:
        raise usage.missing(c, "inv function.invoke", "--env")
    if local:
        error = _call_here(c, env, invocation.read_payload(payload, event), whole_log)
    else:
        from stepladder.releases.rung import opened

        rung = opened(c, env, "inv function.invoke")
        answer = invocation.invoke(rung, payload=payload, event=event, version=version, whole_log=whole_log)
        error = answer.error or ""
    if error:
        raise StepladderError(
            f"the function failed: {error}", kind="function-failed", hint="the end of its log stands above"
        )


def _call_here(c: Any, env: str, event: Any, whole_log: bool) -> str:
    from stepladder.commands import invoke_once
    from stepladder.core.console import Console
    from stepladder.settings import load

    return invoke_once.invoke(load.from_context(c), env, event, Console(), whole_log=whole_log)
