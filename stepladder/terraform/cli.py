"""Find a Terraform that will do, and the environment that it runs in.

Nothing here writes to the user's home, phones home or asks a question.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stepladder.core import endpoints, process
from stepladder.core.errors import NotReadyError, StepladderError
from stepladder.terraform.distributions import OPENTOFU, TERRAFORM, Distribution

VARIABLE = "STEPLADDER_TERRAFORM"
MINIMUM = (1, 10)  # the first with S3-native state locks (`use_lockfile`)
BELOW = 2
_DEADLINE = 20.0
_MEDDLING = ("TF_CLI_ARGS", "TF_REATTACH_PROVIDERS", "TF_VAR_", "TF_WORKSPACE")
_GARBAGE_COLLECTOR = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
"""Go's settings for Terraform and its providers: a sixth of the processor time or more, for a quarter more memory.

The AWS provider fills its memory once, with schemas that stay. From 1 GiB on memory is saved as before.
"""


@dataclass(frozen=True)
class Terraform:
    """A Terraform executable and its version, for example `1.11.4`, or `OpenTofu 1.10.6`."""

    path: Path
    version: str
    distribution: Distribution = TERRAFORM


def find(root: Path, distribution: Distribution = TERRAFORM) -> Terraform:
    """Return the first Terraform that will do, or the first OpenTofu.

    Tried in this order: the executable that STEPLADDER_TERRAFORM names (then no other), `.tools/terraform` of the
    project, `.tools/terraform` beside the running virtual environment (bootstrap.sh fetches it there), PATH,
    `.tools/terraform` of the folder that stepladder was installed from. Raises `NotReadyError` that says what was found
    and what to install.
    """
    rejected: list[str] = []
    for candidate in _candidates(root, distribution.executable):
        try:
            version = _version(candidate, candidate.stat().st_mtime_ns)
            other = _other(candidate, distribution)
        except (OSError, StepladderError, ValueError) as error:
            rejected.append(f"{candidate} doesn't run ({error})")
            continue
        if other:
            rejected.append(f"{candidate} is {other}")
        elif _good(version):
            named = version if distribution is TERRAFORM else f"{distribution.title} {version}"
            return Terraform(candidate, named, distribution)
        else:
            rejected.append(f"{candidate} is {version}")
    candidates = "; ".join(rejected) or "there is none on PATH"
    raise NotReadyError(
        f"{distribution.title} {_wanted()} is needed; {candidates}",
        kind="no-terraform",
        hint=_where_from(root, distribution),
    )


def _where_from(root: Path, distribution: Distribution) -> str:
    """Return what to do without a Terraform: `bootstrap.sh` is named only where there is one, and fetches no other."""
    origin = _origin() if distribution is TERRAFORM else None
    scripts = [folder / "bootstrap.sh" for folder in (root, origin) if folder and distribution is TERRAFORM]
    fetch = next((f"fetch it: `sh {shlex.quote(str(script))}`; or " for script in scripts if script.is_file()), "")
    return (
        f"{fetch}install it ({distribution.page}), "
        f"put the executable at {root / '.tools' / distribution.executable}, or name it in {VARIABLE}"
    )


def environment(data_dir: Path, extra: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the variables that every Terraform command is given on top of the environment; None: taken out of it."""
    return {
        **dict.fromkeys(meddling()),
        **{name: value for name, value in _GARBAGE_COLLECTOR.items() if name not in os.environ},
        "CHECKPOINT_DISABLE": "1",
        "TF_DATA_DIR": str(data_dir),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        **endpoints.for_terraform(),
        **extra,
    }


def meddling() -> list[str]:
    """Name the environment's variables that would change what a command means, past every hash and manifest.

    Arguments for a command (`-target`, `-refresh=false`, ...), variables, the workspace, and providers of one's own
    (https://developer.hashicorp.com/terraform/cli/config/environment-variables).
    """
    return sorted(name for name in os.environ if name.startswith(_MEDDLING))


def _candidates(root: Path, executable: str) -> Iterator[Path]:
    named = os.environ.get(VARIABLE)
    if named:
        yield Path(shutil.which(named) or named).absolute()
        return
    seen: set[Path] = set()
    for folder in (
        lambda: root / ".tools" / executable,
        lambda: Path(sys.prefix).parent / ".tools" / executable,
        lambda: shutil.which(executable),
        lambda: (_origin() or root) / ".tools" / executable,
    ):
        path = Path(folder() or root).absolute()
        if path not in seen and path.is_file() and os.access(path, os.X_OK):
            seen.add(path)
            yield path


def _origin() -> Path | None:
    """Return the folder on this machine that stepladder was installed from, as its installer noted it; None: no folder.

    A project that was made from a checkout depends on it by path, and has no bootstrap.sh to fetch Terraform with.
    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    from importlib import metadata

    try:
        noted = json.loads(metadata.distribution("stepladder").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return None
    url = urlsplit(str(noted.get("url", "")))
    folder = Path(unquote(url.path))
    return folder if url.scheme == "file" and folder.is_dir() else None


@functools.lru_cache(maxsize=8)
def _version(path: Path, _modified: int) -> str:
    """Ask an executable for its version (about 40 ms, so once per process)."""
    variables = {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    done = process.run([str(path), "version", "-json"], env=variables, timeout=_DEADLINE)
    if done.code:
        raise ValueError(f"exit code {done.code}")
    start = done.out.find("{")
    return str(json.loads(done.out[max(start, 0) :])["terraform_version"])


def _other(path: Path, distribution: Distribution) -> str:
    """Return what else an executable is than the distribution that is wanted; empty when it is that.

    Their versions in JSON look alike, so OpenTofu is asked for its title. What is called `tofu` is no Terraform.
    """
    if distribution is TERRAFORM:
        called = path.name.startswith(OPENTOFU.executable)
        return f"{OPENTOFU.title}, which `stepladder.terraform_distribution` may name" if called else ""
    first = _title(path, path.stat().st_mtime_ns)
    return "" if first.startswith(distribution.title) else f"no {distribution.title}: {first}"


@functools.lru_cache(maxsize=8)
def _title(path: Path, _modified: int) -> str:
    """Return the first line of what an executable says of its version: `OpenTofu v1.10.6`."""
    variables = {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    done = process.run([str(path), "version"], env=variables, timeout=_DEADLINE)
    return next((line.strip() for line in done.out.splitlines() if line.strip()), "it doesn't say what")


def _good(version: str) -> bool:
    match = re.match(r"(\d+)\.(\d+)\.\d+", version)
    if not match:
        return False
    major, minor = int(match[1]), int(match[2])
    return major < BELOW and (major, minor) >= MINIMUM


def _wanted() -> str:
    return f">= {'.'.join(map(str, MINIMUM))}, < {BELOW}"
