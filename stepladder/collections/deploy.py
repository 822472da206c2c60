"""`inv deploy`: bring an environment to what the working tree says."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.outputs.releases:Deploy",
    help={
        "env": "Environment to deploy to.",
        "function": "Name of a function to deploy, `main` for the own one; may be given several times; default: all.",
        "infra": "Apply Terraform when its inputs changed (auto), always, or never; default: the setting infra.",
        "dry_run": "Print what would be done, from real reads and plans; change nothing.",
        "json": "Print one JSON record.",
        "force": "Release an image that was marked bad.",
        "wait": "Wait up to ten minutes for somebody else's lock.",
        "allow_dirty": "Allow a CI job to release files that no commit holds.",
        "no_smoke": "Skip the smoke cases; the release is recorded as untested.",
        "skip_ladder": "Release these files above the lowest rung without a promotion; needs --why.",
        "during_freeze": "Release although the environment is frozen; needs --why.",
        "why": "Reason for --skip-ladder or --during-freeze; the ledger keeps it.",
        "plan": "Terraform plan to apply: auto (what was reviewed, in CI and if anything was), reviewed, or new.",
        "allow_destroy": "Allow a resource, by its address, to be destroyed or replaced; may be given several times.",
    },
    iterable=["allow_destroy", "function"],
    auto_shortflags=False,
)
def deploy(  # noqa: PLR0917 - each is a flag of the command line
    c: Any,
    env: str,
    infra: str = "",
    dry_run: bool = False,
    json: bool = False,
    force: bool = False,
    wait: bool = False,
    allow_dirty: bool = False,
    no_smoke: bool = False,
    skip_ladder: bool = False,
    during_freeze: bool = False,
    why: str = "",
    plan: str = "auto",
    allow_destroy: Any = None,
    function: Any = None,
) -> None:
    """Deploy to one environment: apply Terraform, build, push, test and release what changed."""
    from stepladder.commands import job_page
    from stepladder.commands.deploy import DeployOptions
    from stepladder.commands.deploy_chosen import run
    from stepladder.releases.adapters import ProjectImages, ProjectInfra
    from stepladder.releases.rung import opened
    from stepladder.terraform.allowed import check_wanted, names_only

    rung = opened(c, env, "inv deploy", as_json=json, dry_run=dry_run, acting=True)
    allowed = names_only(allow_destroy)
    request = DeployOptions(
        infra, dry_run, force, wait, allow_dirty, no_smoke, skip_ladder, why, allowed, during_freeze
    )
    roots = ProjectInfra(rung, allowed, check_wanted(plan))
    report = run(rung, function, lambda each: ProjectImages(each, allow_dirty), roots, request)
    job_page.deployed(report.record())
    if json:
        rung.console.json(report.record())
