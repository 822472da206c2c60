"""`inv function.*`: single steps on the function, by hand."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import ONE_FUNCTION, task


@task(
    prints="stepladder.ledger.schema:ReleaseEntry",
    help={
        "env": "Environment to release on.",
        "function": ONE_FUNCTION,
        "digest": "Digest to release, or the beginning of one that the ledger knows.",
        "version": "Published version whose image to release.",
        "force": "Release an image that was marked bad.",
        "no_smoke": "Skip the smoke cases; the release is recorded as untested.",
        "skip_ladder": "Release the image above the lowest rung without a promotion; needs --why.",
        "during_freeze": "Release although the environment is frozen; needs --why.",
        "why": "Reason for --skip-ladder or --during-freeze; the ledger keeps it.",
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
    during_freeze: bool = False,
    why: str = "",
    json: bool = False,
    function: str = "",
) -> None:
    """Release an image that was pushed before: publish, test, move the alias, verify."""
    from dataclasses import asdict

    from stepladder.commands import release_existing
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv function.release", function=function, as_json=json, acting=True)
    options: dict[str, Any] = {"force": force, "no_smoke": no_smoke, "skip_ladder": skip_ladder, "why": why}
    options["during_freeze"] = during_freeze
    done = release_existing.release(rung, digest=digest, version=version, **options)
    if json:
        rung.console.json(asdict(done.release))


@task(
    prints="stepladder.commands.outputs.infrastructure:Answer",
    iterable=["header"],
    help={
        "env": "Environment to call; with --local, whose settings the function gets (default: the lowest rung).",
        "function": ONE_FUNCTION,
        "payload": "Event as JSON text; default: {}.",
        "event": "File with the event as JSON.",
        "path": "Path of an HTTP request, of which the event is made; the answer is printed as HTTP.",
        "method": "Method of the request; default: GET, with --data POST.",
        "query": "Query of the request, such as a=1&b=2.",
        "data": "Body of the request; @file reads a file, - reads standard input.",
        "header": "Header of the request, such as 'accept: text/html'; may be given several times.",
        "version": "Version to call; default: what the alias serves.",
        "local": "Build the function from the working tree and call it once; deploy nothing.",
        "whole_log": "Show every line that Lambda adds to the log; default: time and memory only.",
        "json": "Print what the function returned as it is, and errors as JSON too.",
    },
    auto_shortflags=False,
)
def invoke(  # noqa: PLR0917 - each is a flag of the command line
    c: Any,
    env: str = "",
    payload: str = "",
    event: str = "",
    path: str = "",
    method: str = "",
    query: str = "",
    data: str = "",
    header: Any = None,
    version: str = "",
    local: bool = False,
    whole_log: bool = False,
    json: bool = False,
    function: str = "",
) -> None:
    """Call the function, print its answer as data and the end of its log; exit 1 when it fails or answers 5xx."""
    from stepladder.collections import usage
    from stepladder.commands.call import CallOptions, call

    if not env and not local:
        raise usage.missing(c, "inv function.invoke", "--env")
    http: Any = {"path": path, "method": method, "query": query, "data": data, "header": tuple(header or ())}
    call(c, CallOptions(env, payload, event, version, local, whole_log, **http, json=json, function=function))


@task(
    help={
        "name": "Name of the new function.",
        "own_image": "Make a folder with a Dockerfile for it; default: a handler in the project's image.",
    },
    auto_shortflags=False,
)
def new(c: Any, name: str, own_image: bool = False) -> None:
    """Write the handler, a smoke case and the settings of a function beside the project's own one."""
    from stepladder.commands import new_function
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    new_function.add(from_context(c), Console(), name, own_image=own_image)


@task(
    prints="stepladder.commands.prune_versions:PrunedVersions",
    help={
        "env": "Environment whose versions to delete.",
        "function": "Name of the function, `main` for the own one; default: all.",
        "keep": "Number of releases and versions to keep of each function; default: image.keep.",
        "min_age_hours": "Hours to keep every published version, released or not.",
        "yes": "Delete the versions without a question.",
        "dry_run": "Print what would be deleted; delete nothing.",
        "json": "Print one JSON record.",
    },
    auto_shortflags=False,
)
def prune(
    c: Any,
    env: str,
    function: str = "",
    keep: int = 0,
    min_age_hours: int = 24,
    yes: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Delete published versions that nothing serves, uses, recently released, or could roll back to."""
    from stepladder.commands import prune_versions
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv function.prune", as_json=json, dry_run=dry_run, acting=True)
    options = prune_versions.VersionPruneOptions(keep, min_age_hours, yes, dry_run)
    record = prune_versions.prune(rung, function, options)
    if json:
        rung.console.json(record)
