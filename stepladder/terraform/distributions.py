"""The two programs that apply the roots: Terraform, and OpenTofu, its fork. Commands and files are the same in both."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """One of them. `title` begins what its `version` prints; `registry` is where it gets providers by default."""

    name: str
    title: str
    executable: str
    registry: str
    page: str


TERRAFORM = Distribution(
    "terraform",
    "Terraform",
    "terraform",
    "registry.terraform.io",
    "https://developer.hashicorp.com/terraform/install",
)
OPENTOFU = Distribution(
    "opentofu", "OpenTofu", "tofu", "registry.opentofu.org", "https://opentofu.org/docs/intro/install"
)


def of(name: str) -> Distribution:
    """Return one by the setting `terraform_distribution`."""
    return {each.name: each for each in (TERRAFORM, OPENTOFU)}[name]
