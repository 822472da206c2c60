"""The floor with an engine: `docker build`, `docker push`, then the bare calls.

    python docker_build.py FUNCTION REPOSITORY

The engine's client is logged in to the registry.
"""

from __future__ import annotations

import re
import subprocess
import sys

import boto3

from release import release

function, repository = sys.argv[1:]
image = f"{repository}:latest"
subprocess.run(["docker", "build", "--quiet", "--tag", image, "."], check=True)
pushed = subprocess.run(["docker", "push", image], check=True, capture_output=True, text=True).stdout
digest = re.search(r"digest: (sha256:[0-9a-f]{64})", pushed)
if digest is None:
    sys.exit(f"docker push named no digest: {pushed}")
release(boto3.client("lambda"), function, f"{repository}@{digest[1]}")
