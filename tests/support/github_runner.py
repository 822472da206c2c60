"""GitHub's workflows without GitHub, by act: each job in a shell, in a fresh folder that the action checks out.

What it lacks: queues (`concurrency`), approvals, identity tokens, variables of environments, and the network that would
bring the actions. Stand-ins in `actions/` take the actions' places, by the commits that the workflows pin. That for the
login asks the local cloud's issuer for a token which says of the job what GitHub says, and takes the role with it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stepladder.commands.checks import tool
from stepladder.core.process import die_with_parent

STAND_INS = Path(__file__).with_name("actions")
ACTOR = "ann"
_USES = re.compile(r"uses: ([\w-]+/([\w-]+)@[0-9a-f]{40})")
_NEEDS = re.compile(r"^    needs: (\w+)\n", re.MULTILINE)
_SAME = {"setup-opentofu": "setup-terraform"}


class GitHubRunner:
    """A runner for one repository. `env` is that of every job, `variables` and `secrets` are the repository's.

    `{environment}` in a variable stands for what the forge would put there by the job's environment.
    """

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self.home = home
        self.env = dict(env)
        self.variables: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self._runs = itertools.count(1)

    @contextmanager
    def started(
        self, checkout: Path, event: str, payload: Mapping[str, Any], *jobs: str, matrix: str = ""
    ) -> Iterator[Run]:
        """Start a checkout's workflows for an event; kill what is left of them.

        Of named jobs each needs the one before, and no other. `matrix` is the one part of a matrix that is run, as
        `environment:staging`.
        """
        folder = self.home / f"run-{next(self._runs)}"
        (folder / "workflows").mkdir(parents=True)
        uses = {}
        for path in sorted((checkout / ".github").rglob("*.yml")):
            text = path.read_text(encoding="utf-8")
            uses |= dict(_USES.findall(text))
            if path.parent.name == "workflows":  # act doesn't know `queue` yet
                text = text.replace("      queue: max\n", "")
                text = _NEEDS.sub(lambda needs: needs[0] if not jobs or needs[1] in jobs else "", text)
                (folder / "workflows" / path.name).write_text(text, encoding="utf-8")
        (folder / "event.json").write_text(json.dumps(payload), encoding="utf-8")
        env = {
            **self.env,
            "ARTIFACTS": f"{folder}/artifacts",
            "CHECKOUT_FROM": str(checkout),
            "PYTHONPATH": str(Path(__file__).parent),
            "STAND_INS": str(STAND_INS),
            "STAND_IN_PYTHON": sys.executable,
        }
        argv = [tool("act"), event, "--workflows", str(folder / "workflows"), "--eventpath", str(folder / "event.json")]
        argv += ["--platform", "ubuntu-24.04=-self-hosted", "--no-skip-checkout", "--no-cache-server", "--pull=false"]
        argv += ["--action-cache-path", str(folder / "jobs"), "--actor", ACTOR, "--log-prefix-job-id"]
        argv += ["--job", jobs[-1]] if jobs else []  # and with it what it needs
        argv += ["--matrix", matrix] if matrix else []
        for name, action in uses.items():
            argv += ["--local-repository", f"{name}={STAND_INS / _SAME.get(action, action)}"]
        for option, values in (("--env", env), ("--var", self.variables), ("--secret", self.secrets)):
            argv += [word for name, value in values.items() for word in (option, f"{name}={value}")]
        with (folder / "log").open("w", encoding="utf-8") as log:
            child = subprocess.Popen(
                argv,
                cwd=checkout,
                env={name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR") if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one libc call
            )
        run = Run(child, folder, shlex.join([event, *jobs]))
        try:
            yield run
        finally:
            run.kill()

    def run(
        self, checkout: Path, event: str, payload: Mapping[str, Any], *jobs: str, code: int = 0, matrix: str = ""
    ) -> Run:
        """Run workflows to their end."""
        with self.started(checkout, event, payload, *jobs, matrix=matrix) as run:
            run.wait(code)
        return run


class Run:
    """A run of workflows, which may be under way."""

    def __init__(self, child: subprocess.Popen[bytes], folder: Path, what: str) -> None:
        self.folder, self.what, self._child = folder, what, child

    @property
    def log(self) -> str:
        """What all jobs have printed so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def of(self, job: str) -> str:
        """What one job has printed; of a matrix, all of its jobs."""
        lines = re.findall(rf"^\[{job}(?:-\d+)? *\](.*)$", self.log, re.MULTILINE)
        return "\n".join(line.partition("| ")[2] or line for line in lines)

    def ended(self, job: str) -> list[str]:
        """How the jobs of a name ended: succeeded or failed."""
        return re.findall(rf"^\[{job}(?:-\d+)? *\].*Job (\w+)$", self.log, re.MULTILINE)

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def finished(self, seconds: float = 600) -> int:
        """Wait until it ends; return its exit code."""
        return self._child.wait(seconds)

    def wait(self, code: int = 0) -> None:
        """Wait until it ends, and expect an exit code."""
        returned = self.finished()
        assert returned == code, f"{self.what}: {returned}\n{self.log}"

    def kill(self) -> None:
        """Kill it with all that its jobs have started, as a forge does with a job that didn't end when it was asked."""
        if self.is_running:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait(30)
            deadline = time.monotonic() + 30  # what is killed lives until it has given back its memory
            while (left := self._left()) and time.monotonic() < deadline:
                for pid in left:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)

    def _left(self) -> list[int]:
        """Return the processes of its jobs that live."""
        mark = f"{self.folder}/".encode()  # in their environment, by the variable ARTIFACTS
        living = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    living.append(int(entry.name))
        return living

    def until(self, seen: Callable[[], bool], seconds: float = 400) -> None:
        """Wait for a moment of it; fail when it ends before."""
        deadline = time.monotonic() + seconds
        while not seen():
            assert self.is_running, f"{self.what} ended before the moment came\n{self.log}"
            assert time.monotonic() < deadline, f"the moment of {self.what} never came\n{self.log}"
            time.sleep(0.02)
