"""`inv ci.*`: what a job of a forge does beside deploying."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

JSON = "Print one JSON document."


@task(prints="stepladder.commands.outputs.infrastructure:CommentRecord", help={"json": JSON}, auto_shortflags=False)
def comment(c: Any, json: bool = False) -> None:
    """Show on the pull request what it would do, from the reviews that `inv tf.plan --review` left."""
    from stepladder.commands.ci_comment import comment as show
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    show(from_context(c), Console(as_json=json))


@task(
    prints="stepladder.commands.outputs.infrastructure:IdentityRecord",
    reads_only=True,
    help={
        "role": "Name or ARN of the one role to compare; default: the one in AWS_ROLE_ARN, or else every role.",
        "env": "Environment whose roles to compare; default: every environment.",
        "audience": "Name of the audience that GitHub makes the token for; default: the one that the roles expect.",
        "json": JSON,
    },
    auto_shortflags=False,
)
def identity(c: Any, role: str = "", env: str = "", audience: str = "", json: bool = False) -> None:
    """Show what each CI role trusts beside what this job's token says; exit 0 one fits, 4 none does, 6 no token."""
    import time

    from stepladder.commands import identity as command
    from stepladder.core.console import Console
    from stepladder.releases.rung import clients
    from stepladder.settings.load import from_context

    settings = from_context(c)
    command.show(
        settings,
        Console(as_json=json),
        clients=lambda each: clients(settings, each.environment),
        now=time.time(),
        named=role,
        environment=env,
        audience=audience,
    )


@task(prints="stepladder.commands.outputs.infrastructure:IssueRecord", help={"json": JSON}, auto_shortflags=False)
def issue(c: Any, json: bool = False) -> None:
    """Show drift as one issue: open, update or close it by the reports that both checks left."""
    from stepladder.commands.ci_issue import keep
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    keep(from_context(c), Console(as_json=json))
