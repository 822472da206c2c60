"""An evaluator of IAM policies by others, iam-simulate, in a Node.js of PyPI. Both are pinned, and made once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from iam_cases import PolicyCase
from node_packages import installed, node, run

FOLDER = Path(__file__).with_name("iam_simulate")


def reference_data() -> Path:
    """Return the folder of AWS's service authorization reference, which the packages read."""
    return installed(FOLDER) / "node_modules" / "@cloud-copilot" / "iam-data" / "data"


def simulate(cases: Iterable[PolicyCase]) -> list[str]:
    """Return the simulator's outcome of each case: Allowed, ImplicitlyDenied, ExplicitlyDenied or an error."""
    folder = installed(FOLDER)
    script = folder / "simulate.mjs"
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".mjs", delete=False) as file:
        file.write((FOLDER / script.name).read_bytes())
    Path(file.name).replace(script)  # beside the packages that it imports
    lines = "".join(f"{json.dumps(case.simulation())}\n" for case in cases)
    return run([str(node(folder)), str(script)], input=lines).splitlines()
