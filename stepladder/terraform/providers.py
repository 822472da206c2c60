"""Where Terraform gets its providers from: the user's own configuration, a mirror on this machine, or the registry.

A readable CLI configuration is respected as it is. Otherwise a mirror that holds hashicorp/aws is used through a CLI
configuration written beside the build files (https://developer.hashicorp.com/terraform/cli/config/config-file).
Otherwise the registry, with one plugin cache per project: the AWS provider unpacks to 700 MB.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stepladder.core.errors import NotReadyError
from stepladder.terraform.files import write_text

VARIABLE = "STEPLADDER_TERRAFORM_MIRROR"
REGISTRY = "registry.terraform.io"
NEEDED = "hashicorp/aws"
OPTIONAL_SOFTWARE = Path("/opt")  # FHS 3.0, 3.13: where add-on packages live


@dataclass(frozen=True)
class ProviderSource:
    """Where providers come from: the variables to set, and `cache` when `init` must be alone with a plugin cache."""

    kind: str  # configured | mirror | registry
    env: dict[str, str]
    cache: Path | None = None
    mirror: Path | None = None


def source(
    build_dir: Path, root_dir: Path, *, registry: str = REGISTRY, optional_software: Path = OPTIONAL_SOFTWARE
) -> ProviderSource:
    """Choose the source of providers for a root. Raises `NotReadyError` when the named mirror isn't one."""
    configured = _configured()
    named = os.environ.get(VARIABLE)
    if configured and not named:
        return ProviderSource("configured", {"TF_CLI_CONFIG_FILE": str(configured)})
    mirror = _named(named, registry) if named else _discovered(root_dir, registry, optional_software)
    if mirror:
        config = write_text(build_dir / "terraform.rc", _cli_configuration(mirror, registry))
        return ProviderSource("mirror", {"TF_CLI_CONFIG_FILE": str(config)}, mirror=mirror)
    own = os.environ.get("TF_PLUGIN_CACHE_DIR")
    cache = Path(own) if own else build_dir / "providers"
    cache.mkdir(parents=True, exist_ok=True)
    # An empty TF_CLI_CONFIG_FILE stands for none: a file that isn't there would be warned about on every command.
    return ProviderSource("registry", {"TF_CLI_CONFIG_FILE": "", "TF_PLUGIN_CACHE_DIR": str(cache)}, cache=cache)


def _configured() -> Path | None:
    """Return the CLI configuration that Terraform would read and can."""
    named = os.environ.get("TF_CLI_CONFIG_FILE") or os.environ.get("TERRAFORM_CONFIG")
    path = Path(named) if named else Path.home() / ".terraformrc"
    return path if path.is_file() and os.access(path, os.R_OK) else None


def _named(text: str, registry: str) -> Path:
    path = Path(text).expanduser().absolute()
    if not _holds_needed(path, registry):
        raise NotReadyError(
            f"{VARIABLE} names {path}, which holds no {registry}/{NEEDED}",
            kind="no-providers",
            hint="fill it with `terraform providers mirror <folder>`, or unset the variable",
        )
    return path


def _discovered(root_dir: Path, registry: str, optional_software: Path) -> Path | None:
    return next((path for path in _folders(root_dir, optional_software) if _holds_needed(path, registry)), None)


def _folders(root_dir: Path, optional_software: Path) -> Iterator[Path]:
    """Yield Terraform's implied mirror directories, then those of add-on software."""
    yield root_dir / "terraform.d" / "plugins"
    yield Path.home() / ".terraform.d" / "plugins"
    data = os.environ.get("XDG_DATA_HOME")
    yield (Path(data) if data else Path.home() / ".local" / "share") / "terraform" / "plugins"
    for folder in (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"):
        yield Path(folder) / "terraform" / "plugins"
    yield optional_software
    if optional_software.is_dir():
        yield from sorted(path for path in optional_software.iterdir() if path.is_dir())


def _holds_needed(mirror: Path, registry: str) -> bool:
    folder = mirror / registry / NEEDED
    try:
        return folder.is_dir() and any(folder.iterdir())
    except OSError:
        return False


def _cli_configuration(mirror: Path, registry: str) -> str:
    """Take what the mirror holds from the mirror only, and everything else from its registry."""
    held = sorted(
        f"{registry}/{namespace.name}/{kind.name}"
        for namespace in (mirror / registry).iterdir()
        if namespace.is_dir()
        for kind in namespace.iterdir()
        if kind.is_dir()
    )
    names = ", ".join(f'"{name}"' for name in held)
    path = str(mirror).replace("\\", "\\\\").replace('"', '\\"')
    return (
        "# Written by stepladder; overwritten when the mirror changes.\n"
        "provider_installation {\n"
        f'  filesystem_mirror {{\n    path    = "{path}"\n    include = [{names}]\n  }}\n'
        f"  direct {{\n    exclude = [{names}]\n  }}\n"
        "}\n"
    )
