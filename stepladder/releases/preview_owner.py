"""Whose a preview is. GitHub and GitLab number their requests apart, and a project may have its CI on both."""

from __future__ import annotations

from urllib.parse import urlsplit

from stepladder.core.errors import RefusedError
from stepladder.forge.interface import Forge
from stepladder.ledger.schema import Preview


def is_of_another(record: Preview | None, forge: Forge) -> bool:
    """Say whether a job of another forge deployed a preview; no where nobody knows, as on a person's machine."""
    remote = _host(record.job) if record else ""
    own = _host(forge.source())
    return bool(remote and own) and remote != own


def check(environment: str, record: Preview | None, forge: Forge) -> None:
    """Refuse a job that would deploy or destroy what is the preview of another forge's request of that number."""
    if record and is_of_another(record, forge):
        raise RefusedError(
            f"{environment} is the preview of another forge's request: {record.job} deployed it",
            kind="preview-of-another-forge",
            hint="two requests can't share a number: close or unlabel the other one, or destroy its preview with "
            f"credentials of your own: `inv preview.destroy --env {environment}`",
        )


def _host(url: str) -> str:
    """Return the host of an address, without its port: a forge names itself with and without one."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
