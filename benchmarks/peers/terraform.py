"""Docker and Terraform, with AWS's provider: the image by digest is a variable."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from measure import Command

from peers.installing import NotRunnableError
from peers.peer import Peer
from peers.site import Site
from stepladder.terraform.providers import source

ROOT = Path(__file__).resolve().parents[2]
MAIN = """\
terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws" }}
  }}
}}

provider "aws" {{
  skip_requesting_account_id = true
}}

variable "image" {{ type = string }}

resource "aws_lambda_function" "fn" {{
  architectures = ["{machine}"]
  function_name = "{name}"
  image_uri     = var.image
  package_type  = "Image"
  publish       = true
  role          = "{role}"
}}

resource "aws_lambda_alias" "live" {{
  function_name    = aws_lambda_function.fn.function_name
  function_version = aws_lambda_function.fn.version
  name             = "live"
}}
"""


class Terraform(Peer):
    """`docker build`, `docker push`, `terraform apply`."""

    name = "docker + terraform apply"
    publishes = True

    @property
    def version(self) -> str:
        """Return Terraform's version."""
        return self._version

    def install(self, site: Site) -> str:
        """Find the Terraform that this repository uses. Raises `NotRunnableError` without one."""
        own = ROOT / ".tools" / "terraform"
        path = shutil.which("terraform") or (str(own) if own.exists() else "")
        if not path:
            raise NotRunnableError("there is no Terraform")
        self._terraform = path
        done = subprocess.run([path, "version"], capture_output=True, text=True, timeout=60, check=True)
        self._version = done.stdout.split()[1].removeprefix("v")
        return super().install(site)

    def write(self) -> None:
        """Write the root module."""
        self.address = self.repository()
        self._providers = source(self.folder / "providers", self.folder).env
        text = MAIN.format(machine=self.site.machine, name=self.function, role=self.site.role)
        (self.folder / "main.tf").write_text(text)

    def first(self) -> Sequence[Command]:
        """Initialise, then apply."""
        init = f"{self.site.login()}; {self._terraform} init -input=false -no-color"
        return [self.script(init, **self._providers), self.command()]

    def command(self) -> Command:
        """Return the script, which takes the digest out of what `docker push` says."""
        return self.script(
            f"""
            docker build --quiet --tag {self.address}:latest .
            digest=$(docker push {self.address}:latest | sed -n 's/.*digest: \\(sha256:[0-9a-f]*\\).*/\\1/p')
            {self._terraform} apply -auto-approve -input=false -no-color -var image={self.address}@$digest
        """,
            **self._providers,
        )

    def provider(self) -> str:
        """Return the version of AWS's provider, as the lock file of the app has it."""
        lock = (self.folder / ".terraform.lock.hcl").read_text()
        match = re.search(r'version\s+= "([^"]+)"', lock)
        return match[1] if match else ""
