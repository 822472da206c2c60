"""`inv deploy`: bring an environment to what the working tree says."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    help={
        "env": "environment to deploy",
        "infra": "apply Terraform when its inputs changed (auto), always, or never; the settings' own by default",
        "dry_run": "print what would be done, from real reads and plans, and change nothing",
        "json": "print one JSON record",
        "force": "release an image that was marked bad",
        "wait": "wait up to ten minutes for somebody else's lock",
        "allow_dirty": "let a CI job release files that no commit holds",
        "no_smoke": "run no smoke case: release untested, which the ledger says",
        "skip_ladder": "release these files above the lowest rung without a promotion; needs --why",
        "why": "reason for --skip-ladder, for the ledger",
    },
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
    why: str = "",
) -> None:
    """Deploy to one environment: apply Terraform, build, push, test and release what changed."""
    from stepladder.commands.deploy import Deploy, DeployOptions
    from stepladder.releases.adapters import ProjectImages, ProjectInfra
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv deploy", as_json=json, dry_run=dry_run, acting=True)
    request = DeployOptions(infra, dry_run, force, wait, allow_dirty, no_smoke, skip_ladder, why)
    report = Deploy(rung, ProjectImages(rung, allow_dirty), ProjectInfra(rung), request).run()
    if json:
        rung.console.json(report.record())
