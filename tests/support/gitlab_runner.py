"""GitLab's pipelines without GitLab, by gitlab-ci-local: each job in a shell, in a copy of the repository of its own.

What it lacks: images, queues (`resource_group`), approvals and identity tokens. `resource_group` is tested by two
pipelines at once; tokens are variables whose values come from the local cloud's issuer.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import debian
import node_packages
import yaml
from needs import missing

from stepladder.core.process import die_with_parent

PINS = Path(__file__).with_name("gitlab_ci_local")
STATE = ".gitlab-ci-local"


class GitLabRunner:
    """A runner for one repository. `variables` are the GitLab project's: a value, or one for each environment."""

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self.home = home
        self.env = {name: value for name, value in env.items() if name != "VIRTUAL_ENV"}
        self.variables: dict[str, str | dict[str, str]] = {}
        try:
            debian.ensure(("rsync",), "rsync")
        except debian.NotInstalledError as error:
            missing(str(error))
        self._folder = node_packages.installed(PINS)

    @contextmanager
    def started(self, checkout: Path, source: str, *jobs: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """Start a pipeline of a checkout's commit, or some of its jobs; kill what is left of it at the end.

        `source` is GitLab's CI_PIPELINE_SOURCE: push, merge_request_event, schedule and so on.
        """
        self._write(self.variables | variables | {"CI_PIPELINE_SOURCE": source, "GITLAB_CI": "true"})
        program = [node_packages.node(self._folder), self._folder / "node_modules" / ".bin" / "gitlab-ci-local"]
        options = ["--home", self.home, "--force-shell-executor", "--shell-isolation", "--no-color"]
        child = subprocess.Popen(
            [str(word) for word in (*program, *options, *jobs)],
            cwd=checkout,
            env=self.env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one libc call
        )
        try:
            yield child
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()

    def run(self, checkout: Path, source: str, *jobs: str, code: int = 0, **variables: str) -> str:
        """Run a pipeline, or some of its jobs, to its end; return its log."""
        with self.started(checkout, source, *jobs, **variables) as child:
            log, _ = child.communicate(timeout=600)
        assert child.returncode == code, f"{shlex.join([source, *jobs])}: {child.returncode}\n{log}"
        return log

    def _write(self, variables: Mapping[str, str | dict[str, str]]) -> None:
        values = {name: value if isinstance(value, str) else {"values": value} for name, value in variables.items()}
        file = self.home / STATE / "variables.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump({"global": values}), encoding="utf-8")
