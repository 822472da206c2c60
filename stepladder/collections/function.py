"""`inv function.*`: single steps on the function, by hand."""

from __future__ import annotations

from typing import Any

from stepladder.collections.edge import task


@task(
    help={
        "env": "environment to release on",
        "digest": "image to release: its digest, or the beginning of one that the ledger knows",
        "version": "published version whose image is to be released",
        "force": "release an image that was marked bad",
        "json": "print one JSON record",
    },
    auto_shortflags=False,
)
def release(c: Any, env: str, digest: str = "", version: str = "", force: bool = False, json: bool = False) -> None:
    """Release an image that was pushed before: publish, test, move the alias, verify."""
    from dataclasses import asdict

    from stepladder.releases import byhand
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv function.release", as_json=json)
    done = byhand.release(rung, digest=digest, version=version, force=force)
    if json:
        rung.console.json(asdict(done.release))


@task(
    help={
        "env": "environment to call",
        "payload": "event as JSON text; {} by default",
        "event": "file with the event as JSON",
        "version": "version to call instead of what the alias serves",
    },
    auto_shortflags=False,
)
def invoke(c: Any, env: str, payload: str = "", event: str = "", version: str = "") -> None:
    """Call the function, print its answer as data and the end of its log; exit code 1 when it fails."""
    from stepladder.errors import StepladderError
    from stepladder.releases import byhand
    from stepladder.releases.rung import opened

    answer = byhand.invoke(opened(c, env, "inv function.invoke"), payload=payload, event=event, version=version)
    if answer.error:
        raise StepladderError(f"the function failed: {answer.error}", hint="the end of its log stands above")
