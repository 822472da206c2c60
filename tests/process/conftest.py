"""One module with real processes beside it: git, uv, other Pythons, a Terraform that plays a script."""

from harnesses import harness, image_harness, live, terraform_harness  # noqa: F401 - fixtures
