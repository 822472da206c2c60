"""Terraform's own failures, and those that stepladder distinguishes."""

from __future__ import annotations

from stepladder.core.aws import Aws, known_error
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.terraform.events import Diagnostic
from stepladder.terraform.roots import Root

# Terraform gives its errors no codes: these are the fixed summaries of its own source
# (internal/command/clistate, internal/backend/local).
STATE_LOCKED = "Error acquiring the state lock"
PLAN_STALE = "Saved plan is stale"


class TerraformError(StepladderError):
    """Terraform failed; `diagnostics` are its own errors, `failed` the addresses that it could not change."""

    kind = "terraform-failed"

    def __init__(
        self, message: str, *, hint: str, diagnostics: tuple[Diagnostic, ...], failed: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(message, hint=hint)
        self.diagnostics = diagnostics
        self.failed = failed

    def has(self, summary: str) -> bool:
        """Say whether one of the errors has this summary."""
        return any(diagnostic.summary == summary for diagnostic in self.diagnostics)


def blame_credentials(error: TerraformError, aws: Aws | None) -> None:
    """Say so in the hint when the credentials don't work any more: Terraform's own words for it differ by provider."""
    try:
        if aws:
            aws.account()
    except Exception as reason:  # noqa: BLE001 - the failure of Terraform's stays the error
        known = known_error(reason)
        if known and known.kind == "no-credentials":
            error.hint = f"{known.message}; {known.hint}; {error.hint}"


def stale(error: TerraformError, at: Root) -> RefusedError:
    """Explain Terraform's own refusal of a plan whose state has moved on."""
    return RefusedError(
        f"the saved plan of {at.label} is stale: the state has changed since it was made",
        kind="plan-stale",
        hint=f"make a new one: `inv tf.plan --env {at.environment.name} --root {at.name}` ({error.message})",
    )
