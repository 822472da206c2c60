"""`inv tf.*`: Terraform for one root in one environment. `plan` is the noun's default: it changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stepladder.collections.task import task

if TYPE_CHECKING:
    from stepladder.commands.infra import PlanOptions

ENV = "Environment of the root."
ROOT = "Terraform root: foundation (once), service (per environment) or delivery (promotion)."
JSON = "Print one JSON document."
WAIT = "Seconds to wait for somebody else's state lock."


@task(help={"env": ENV, "root": ROOT}, auto_shortflags=False)
def init(c: Any, env: str, root: str = "service") -> None:
    """Write a root's variables and backend configuration, and install its providers."""
    from stepladder import terraform
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv tf.init")
    with rung.console.step(f"init {root}") as step:
        notes = terraform.init(rung.settings, env, root, aws=rung.aws, step=step)
        step.done("; ".join(notes) or "ready")


@task(
    prints="stepladder.commands.outputs.infrastructure:Plan",
    default=True,
    help={
        "env": ENV,
        "root": ROOT,
        "image": "Image by digest, for a function that doesn't exist yet; <name>=<image> for one of several functions.",
        "lock": "Take the state lock (default); --no-lock for a role that may only read.",
        "lock_timeout": WAIT,
        "review": "Write the review that `inv ci.comment` shows, of every root unless --root names one.",
        "json": JSON,
    },
    iterable=["image"],
    auto_shortflags=False,
)
def plan(
    c: Any,
    env: str,
    root: str = "",
    image: list[str] | None = None,
    lock: bool = True,
    lock_timeout: int = 60,
    review: bool = False,
    json: bool = False,
) -> None:
    """Save a plan with its manifest and show what it would do; change nothing."""
    from stepladder.commands import infra
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv tf.plan", as_json=json)
    options: PlanOptions = {**infra.images(rung.settings, image or ()), "lock": lock, "lock_timeout": lock_timeout}
    if review:
        from stepladder.commands.review import review as write_review

        write_review(rung, root, **options)
    else:
        infra.plan(rung, root or "service", **options)


@task(
    prints="stepladder.commands.outputs.infrastructure:AppliedPlan",
    help={
        "env": ENV,
        "root": ROOT,
        "plan": "Terraform plan to apply: reviewed (before the merge) or a plan file; default: the saved one.",
        "allow_destroy": "Allow a resource, by its address, to be destroyed or replaced; may be given several times.",
        "lock_timeout": WAIT,
        "json": JSON,
    },
    iterable=["allow_destroy"],
    optional=["allow_destroy"],
    auto_shortflags=False,
)
def apply(
    c: Any,
    env: str,
    root: str = "service",
    plan: str = "",
    allow_destroy: Any = None,
    lock_timeout: int = 60,
    json: bool = False,
) -> None:
    """Apply the saved plan and nothing else; refuse it when its manifest no longer holds."""
    from stepladder.commands import infra
    from stepladder.releases.rung import opened
    from stepladder.terraform.allowed import named

    rung = opened(c, env, "inv tf.apply", as_json=json, acting=True)
    infra.apply(rung, root, plan, allow_destroy=named(allow_destroy or ()), lock_timeout=lock_timeout)


@task(
    prints="stepladder.commands.outputs.infrastructure:Outputs",
    help={"env": ENV, "root": ROOT, "json": JSON},
    auto_shortflags=False,
    reads_only=True,
)
def output(c: Any, env: str, root: str = "service", json: bool = False) -> None:
    """Print a root's outputs; sensitive ones are left out."""
    from stepladder import terraform
    from stepladder.commands import infra
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv tf.output", as_json=json)
    infra.outputs(rung.console, terraform.outputs(rung.settings, env, root, aws=rung.aws))


@task(
    prints="stepladder.commands.outputs.releases:Unlock",
    help={
        "env": ENV,
        "id": "Id of the lock to remove; default: show the locks.",
        "root": "Terraform root whose state is locked; default: any.",
        "json": JSON,
    },
    auto_shortflags=False,
)
def unlock(c: Any, env: str, id: str = "", root: str = "", json: bool = False) -> None:  # noqa: A002 - it is the flag's name
    """Show the locks of an environment, or remove one, as `inv unlock` does."""
    from stepladder.commands import unlock as locks
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv tf.unlock", as_json=json, acting=bool(id))
    if id:
        locks.remove(rung, id, root)
    else:
        locks.show(rung, root)


@task(
    prints="stepladder.commands.outputs.infrastructure:DriftCheck",
    reads_only=True,
    help={"env": "Environment whose roots to check; default: every rung.", "json": JSON},
    auto_shortflags=False,
)
def drift(c: Any, env: str = "", json: bool = False) -> None:
    """Show what was changed outside Terraform, in every root, and end with exit code 2 for drift; change nothing."""
    from stepladder.commands import infra_drift
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    pairs = infra_drift.wanted(from_context(c), env)
    names = dict.fromkeys(name for name, _ in pairs)
    infra_drift.check([opened(c, name, "inv tf.drift", as_json=json) for name in names], pairs)


@task(
    prints="stepladder.commands.outputs.infrastructure:ProviderUpgrades",
    help={"root": "Terraform root; default: all of them.", "json": JSON},
    auto_shortflags=False,
)
def upgrade(c: Any, root: str = "", json: bool = False) -> None:
    """Lock the newest providers that the roots allow, for every platform; change no state."""
    from stepladder.commands.upgrade_providers import upgrade_providers
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    upgrade_providers(from_context(c), Console(as_json=json), [root] if root else [])
