"""What a managed Python runtime carries besides Python: AWS's runtime client, and boto3.

The client has a compiled part, so there is one folder per Python version. uv makes each once. From then on uv's own
cache makes it, offline too. boto3 and what it needs are pure Python: links to ours.
"""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

from localcloud.launchers import unpack
from localcloud.launchers.interface import LaunchError

VERSION = "4.2.2"  # of awslambdaric
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
_DEADLINE = 120.0


def client(python: Path, version: str, folder: Path) -> Path:
    """Return a folder with `awslambdaric` for this interpreter, made under `folder` when it isn't there yet."""

    def make(fresh: Path) -> None:
        import uv

        argv = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", str(python), "--target", str(fresh)]
        argv += ["--only-binary", ":all:", "--compile-bytecode", f"awslambdaric=={VERSION}"]
        answer = subprocess.run([*argv, "--offline"], capture_output=True, timeout=_DEADLINE, check=False)
        if answer.returncode != 0:
            answer = subprocess.run(argv, capture_output=True, timeout=_DEADLINE, check=False)
        if answer.returncode != 0:
            last = answer.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise LaunchError(
                "Runtime.InvalidEntrypoint", f"awslambdaric {VERSION} can't be installed: {''.join(last)}"
            )

    try:
        return unpack.once(folder / f"awslambdaric-{VERSION}-py{version}", make)
    except (OSError, subprocess.TimeoutExpired, unpack.UnpackError) as error:
        raise LaunchError("Runtime.InvalidEntrypoint", f"awslambdaric can't be installed: {error}") from None


def sdk(folder: Path) -> Path:
    """Return a folder with links to boto3 and what it needs, and nothing else of our own environment."""

    def make(fresh: Path) -> None:
        for name in _SDK:
            spec = importlib.util.find_spec(name)
            if spec is None or spec.origin is None:
                continue
            source = Path(spec.origin)
            source = source.parent if source.name == "__init__.py" else source
            (fresh / source.name).symlink_to(source)

    return unpack.once(folder / "sdk", make)
