"""Run builds, each on a thread of its own, in a folder that is removed when the build has ended.

https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import ServiceError
from localcloud.services.codebuild import artifacts, buildspec, environment, events, sources
from localcloud.services.codebuild.artifacts import ArtifactError
from localcloud.services.codebuild.buildspec import Buildspec, BuildspecError, SpecPhase
from localcloud.services.codebuild.credentials import BuildCredentials
from localcloud.services.codebuild.logs import BuildLog
from localcloud.services.codebuild.model import PHASES, Build, Phase
from localcloud.services.codebuild.shell import BuildShell, CutOffError
from localcloud.services.codebuild.sources import SourceError

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

PRINCIPAL = "codebuild.amazonaws.com"
_SILENT_PHASES = ("SUBMITTED", "QUEUED")
_ENDED = "The local cloud was restarted during the build."
_PATIENCE = 5.0  # seconds for all builds to end with the cloud


class PhaseFailure(Exception):  # noqa: N818 - how a phase ends
    """A phase that failed, with CodeBuild's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BuildEngine:
    """Runs builds."""

    def __init__(self, cloud: Cloud, credentials: BuildCredentials) -> None:
        self._cloud = cloud
        self._credentials = credentials
        self._folder = cloud.data_dir / "builds"
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        cloud.on_ready(self._clear)
        cloud.on_stop(self._wait)

    def start(self, build: Build) -> None:
        """Run a build in the background."""
        events.publish(self._cloud, build)
        thread = threading.Thread(target=self._guard, args=(build,), daemon=True, name=f"build-{build.id}")
        with self._lock:
            thread.start()
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]

    def _clear(self) -> None:
        """Remove the folders of builds whose cloud was killed."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        """Let builds end their processes and remove their folders before the cloud's own process ends."""
        with self._lock:
            threads = list(self._threads)
        deadline = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def fail_interrupted(self, build: Build) -> None:
        """End a build whose cloud was restarted under it, as one is that CodeBuild lost."""
        phase = build.phases[-1] if build.phases else build.enter("QUEUED", self._now())
        self._leave(phase, "FAULT", "INTERNAL_ERROR", _ENDED)
        self._end(build, "FAULT")

    def _now(self) -> Any:
        return self._cloud.clock.utcnow()

    def _guard(self, build: Build) -> None:
        run = BuildRun(self._cloud, build, self._folder / build.id.rpartition(":")[2], self._enter, self._leave)
        status = "FAULT"
        try:
            for kind in _SILENT_PHASES:
                self._leave(self._enter(build, kind), "SUCCEEDED")
            with self._credentials.of(build) as variables:
                status = run.run(variables)
        except Exception:  # noqa: BLE001 - a bug must not leave a build in progress for ever
            traceback.print_exc(file=sys.stderr)
            message = "The local cloud broke; its log has the traceback."
            self._leave(self._enter(build, "FINALIZING"), "FAULT", "INTERNAL_ERROR", message)
        finally:
            try:
                run.close()
            finally:  # whoever polls a build waits for its end
                self._end(build, status)

    def _enter(self, build: Build, kind: str) -> Phase:
        return build.enter(kind, self._now())

    def _leave(self, phase: Phase, status: str, code: str = "", message: str = "") -> None:
        phase.status, phase.end, phase.code, phase.message = status, self._now(), code, message

    def _end(self, build: Build, status: str) -> None:
        build.enter("COMPLETED", self._now())
        build.status, build.ended = status, self._now()
        events.publish(self._cloud, build)


class BuildRun:
    """One build on its way through its phases."""

    def __init__(
        self,
        cloud: Cloud,
        build: Build,
        folder: Path,
        enter: Callable[[Build, str], Phase],
        leave: Callable[..., None],
    ) -> None:
        self._cloud, self._build, self._folder = cloud, build, folder
        self._enter, self._leave = enter, leave
        project = build.arn.rpartition(":build/")[0] + f":project/{build.project}"
        self._caller = ServiceCaller(PRINCIPAL, project, build.account, build.role)
        self._deadline = time.monotonic() + 60 * int(build.settings["timeoutInMinutes"])
        self._log = BuildLog(build, self._call)
        self._shell: BuildShell | None = None
        self._source = folder / "src"
        self._spec = Buildspec({})
        self._succeeding = True

    def run(self, variables: Mapping[str, str]) -> str:
        """Run all phases and return how the build ended. `variables` lead to its credentials."""
        try:
            begun = self._phase("PROVISIONING", self._provision) and self._phase(
                "DOWNLOAD_SOURCE", lambda: self._download(variables)
            )
            if begun and self._commands():
                self._phase("UPLOAD_ARTIFACTS", self._upload)
            self._phase("FINALIZING", self._finalize)
        except CutOffError:
            status, code, message = self._cut_off()
            self._leave(self._build.phases[-1], status, code, message)
            self._log.say(message)
            return status
        return "SUCCEEDED" if self._succeeding else "FAILED"

    def _cut_off(self) -> tuple[str, str, str]:
        """Return status, code and message of a build that was ended before its commands were."""
        if self._build.stop_requested:
            return "STOPPED", "BUILD_STOPPED", "Build was stopped"
        if self._cloud.stopping.is_set():
            return "FAULT", "INTERNAL_ERROR", _ENDED
        minutes = self._build.settings["timeoutInMinutes"]
        return "TIMED_OUT", "BUILD_TIMED_OUT", f"Build timed out after {minutes} minutes"

    def close(self) -> None:
        """End what runs, send the rest of the log, remove the folder."""
        if self._shell:
            self._shell.close()
        self._log.flush()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _is_over(self) -> bool:
        self._log.flush_gathered()
        over = self._build.stop_requested or self._cloud.stopping.is_set()
        return over or time.monotonic() >= self._deadline

    def _phase(self, kind: str, work: Callable[[], None]) -> bool:
        phase = self._enter(self._build, kind)
        if self._is_over():
            raise CutOffError
        code = message = ""
        try:
            work()
        except PhaseFailure as failure:
            code, message = failure.code, str(failure)
        except SourceError as error:
            code, message = error.code, str(error)
        except BuildspecError as error:
            code, message = "YAML_FILE_ERROR", str(error)
        except ArtifactError as error:
            code, message = "CLIENT_ERROR", str(error)
        except ServiceError as error:
            code, message = _code_of(error), f"{error.code}: {error.message}"
        status = "FAILED" if message else "SUCCEEDED"
        self._succeeding = self._succeeding and not message
        self._leave(phase, status, code, message)
        self._log.lines(
            [f"Phase complete: {kind} State: {status}", f"Phase context status code: {code} Message: {message}"]
        )
        return not message

    def _call(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        where = {"region": self._build.region, "account": self._build.account}
        return self._cloud.call_as(self._caller, service, action, params, **where)

    def _provision(self) -> None:
        try:
            self._log.open()
        except ServiceError as error:
            self._build.group = ""
            what = "does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams"
            message = f"Service role {self._build.role} {what}. Error message: {error.message}"
            raise PhaseFailure("ACCESS_DENIED", message) from None
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in ("home", "programs", "tmp", "shell"):
            (self._folder / name).mkdir(parents=True)
        environment.offer_programs(self._folder / "programs")
        environment.offer_settings(self._folder / "home")

    def _download(self, variables: Mapping[str, str]) -> None:
        build, settings = self._build, self._build.settings
        self._log.say("Waiting for DOWNLOAD_SOURCE")
        commit = sources.fetch(self._cloud, build, self._caller, self._call, settings["source"], self._source)
        build.resolved_version = commit or build.resolved_version
        secondary: dict[str, Path] = {}
        for each in settings.get("secondarySources") or ():
            name = str(each["sourceIdentifier"])
            secondary[name] = self._folder / f"src-{len(secondary) + 1}"
            sources.fetch(self._cloud, build, self._caller, self._call, each, secondary[name])
        self._spec = buildspec.parse(self._buildspec(str(settings["source"].get("buildspec") or "")))
        try:
            given, secrets = environment.resolved(build, self._spec, self._call)
        except ServiceError as error:
            message = f"Decrypted Variables Error: {error.code}: {error.message}"
            raise PhaseFailure("CLIENT_ERROR", message) from None
        self._log.secrets = secrets
        self._shell = BuildShell(
            self._spec.shell,
            {
                **environment.of_machine(self._folder / "home", self._folder / "programs"),
                "TMPDIR": str(self._folder / "tmp"),
                **environment.of_codebuild(build, self._source, secondary),
                **given,
                **variables,
            },
            self._folder / "shell",
            self._source,
            on_line=self._log.line,
            is_over=self._is_over,
        )
        self._log.say(f"Running on the local cloud, not in {settings['environment']['image']}")

    def _buildspec(self, given: str) -> str:
        if buildspec.is_inline(given):
            return given
        name = given or "buildspec.yml"
        path = (self._source / name).resolve()
        if not path.is_relative_to(self._source.resolve()) or not path.is_file():
            raise BuildspecError(f"stat {name}: no such file or directory")
        return path.read_text("utf-8")

    def _commands(self) -> bool:
        """Run the commands of each phase and return whether artifacts are to be uploaded.

        After a failed build its `post_build` runs and artifacts are uploaded, after another phase nothing.
        """
        for kind in PHASES:
            spec = self._spec.phases.get(kind, SpecPhase())
            done = self._phase(kind, lambda kind=kind, spec=spec: self._run_phase(kind, spec))  # type: ignore[misc]
            goes_on = kind in ("BUILD", "POST_BUILD") and spec.on_failure != "ABORT"
            if not done and not goes_on and spec.on_failure != "CONTINUE":
                return False
        return True

    def _run_phase(self, kind: str, spec: SpecPhase) -> None:
        self._log.say(f"Entering phase {kind}")
        assert self._shell is not None  # noqa: S101 - the sources are there
        if not self._succeeding and spec.commands:
            self._shell.run("export CODEBUILD_BUILD_SUCCEEDING=0")
        failure: PhaseFailure | None = None
        for commands in (spec.commands, spec.last):
            for command in commands:
                self._log.say(f"Running command {command}")
                if status := self._shell.run(command):
                    self._log.say(f"Command did not exit successfully {command} exit status {status}")
                    message = f"Error while executing command: {command}. Reason: exit status {status}"
                    failure = failure or PhaseFailure("COMMAND_EXECUTION_ERROR", message)
                    break
        if failure:
            raise failure

    def _upload(self) -> None:
        artifacts.upload(self._build, self._spec, self._source, self._call)

    def _finalize(self) -> None:
        if self._shell and self._spec.exported:
            self._build.exported = self._shell.values(self._spec.exported)


def _code_of(error: ServiceError) -> str:
    return "ACCESS_DENIED" if "AccessDenied" in error.code else "CLIENT_ERROR"
