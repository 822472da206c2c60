"""Processes of the AWS provider that the Terraform commands of a run share.

Terraform starts its providers anew in each command, in a plan twice: 1.3 s of processor time a command. It can be given
one that runs already. docs/decisions/2026-11-26-one-provider-process.md says where that is safe, and how it ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stepladder.core import endpoints, run_scope
from stepladder.terraform.distributions import Distribution
from stepladder.terraform.roots import Root

VARIABLE = "STEPLADDER_SHARED_PROVIDER"
_PROVIDER = "hashicorp/aws"
_BUNDLE = "AWS_CA_BUNDLE"
_LOGS = ("TF_LOG", "TF_LOG_PROVIDER")
_READY = r"(?m)^\s*TF_REATTACH_PROVIDERS='(.*)'\s*$"
_DEADLINE = 20.0  # seconds until the provider has printed how it is reached
_POLL = 0.01
_AT_MOST = 2  # providers of one location and role: what runs beside another command, and that
_ENDING = 5.0  # seconds that it is waited for at the end
# The provider ends when nobody holds the other end of the shell's input: neither we nor a Terraform that outlives us.
# It is killed, which leaves its socket in the folder of temporary files: it gets one of its own, which goes with it.
_KEEPER = """
exec 3<&0
TMPDIR="$1" "$0" -debug >"$1/printed" 2>/dev/null </dev/null 3<&- & provider=$!
(cat <&3 >/dev/null; kill $provider) & watch=$!
wait $provider
kill $watch
rm -rf "$1"
"""


@dataclass
class Attachment:
    """What a Terraform command needs to use the run's provider: variables, and descriptors that it holds open.

    Nothing uses a provider after a command that left it `spoiled`: Terraform may have stopped it, and it stays so.
    """

    env: Mapping[str, str]
    fds: tuple[int, ...] = ()
    spoiled: bool = False


class _Provider:
    """A provider that runs, and the environment that it was started with."""

    def __init__(self, executable: Path, env: Mapping[str, str]) -> None:
        self.executable, self.env = executable, env
        folder = tempfile.mkdtemp(prefix="stepladder-provider-")
        read, self._hold = os.pipe()
        try:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, str(executable), folder],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(env),
                start_new_session=True,  # Ctrl-C goes to Terraform, which passes it on
            )
        except OSError:
            os.close(self._hold)
            Path(folder).rmdir()
            raise
        finally:
            os.close(read)
        self.reattach = self._printed(Path(folder) / "printed")

    def _printed(self, file: Path) -> str:
        """Wait until the provider has printed how it is reached; empty when it doesn't."""
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline and self._keeper.poll() is None:
            with contextlib.suppress(FileNotFoundError):  # not there yet, or not any more
                if match := re.search(_READY, file.read_text("utf-8")):
                    return match[1]
            time.sleep(_POLL)
        return ""

    def attachment(self) -> Attachment:
        """Return what a command needs to use it."""
        return Attachment({"TF_REATTACH_PROVIDERS": self.reattach}, (self._hold,))

    @property
    def is_let_go(self) -> bool:
        """Say whether it ends, or has ended."""
        return self._hold < 0

    def let_go(self) -> None:
        """Let go of the provider: it ends, unless a Terraform that outlives us holds it still."""
        if not self.is_let_go:
            os.close(self._hold)
            self._hold = -1

    def end(self) -> None:
        """Let go of the provider, and wait until it has ended."""
        self.let_go()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(_ENDING)


class _Seat:
    """A place for one provider, which one command at a time uses."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.provider: _Provider | None = None
        self._failed: tuple[Path, Mapping[str, str]] | None = None

    def provider_of(self, executable: Path, env: Mapping[str, str]) -> _Provider | None:
        """Return the provider, which is started if need be; None for one that doesn't run."""
        wanted = (executable, env)
        held = self.provider
        if held and (held.is_let_go or (held.executable, held.env) != wanted):  # its credentials were renewed
            self.end()
        if self.provider is None and self._failed != wanted:
            made = _Provider(executable, env)
            if made.reattach:
                self.provider = made
            else:
                self._failed = wanted
                made.end()
        return self.provider

    def end(self) -> None:
        """End the provider that is here."""
        if self.provider:
            ending, self.provider = self.provider, None
            ending.end()


class SharedProviders:
    """The providers of a command: at most two for each location and role, each of them for one Terraform at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seats: dict[tuple[str, ...], tuple[_Seat, ...]] = {}

    @contextlib.contextmanager
    def attached(self, key: tuple[str, ...], executable: Path, env: Mapping[str, str]) -> Iterator[Attachment]:
        """Yield how a provider is reached that no other command uses; nothing where there is none."""
        seat = self._free(key)
        if seat is None:
            yield Attachment({})
            return
        try:
            provider = seat.provider_of(executable, env)
            attachment, ended = provider.attachment() if provider else Attachment({}), False
            try:
                yield attachment
                ended = True
            finally:
                if attachment.spoiled or not ended:
                    seat.end()
        finally:
            seat.busy.release()

    def _free(self, key: tuple[str, ...]) -> _Seat | None:
        """Take a place that no command has; None when both are taken."""
        with self._lock:
            seats = self._seats.setdefault(key, tuple(_Seat() for _ in range(_AT_MOST)))
            return next((seat for seat in seats if seat.busy.acquire(blocking=False)), None)

    def let_go(self) -> None:
        """Let go of those that no command uses; whoever needs one after that gets a new one."""
        for seat in self._seats_made():
            if seat.busy.acquire(blocking=False):
                if seat.provider:
                    seat.provider.let_go()
                seat.busy.release()

    def end(self) -> None:
        """End all of them, side by side."""
        self.let_go()
        for seat in self._seats_made():
            seat.end()

    def _seats_made(self) -> list[_Seat]:
        with self._lock:
            return [seat for seats in self._seats.values() for seat in seats]


@contextlib.contextmanager
def attached(at: Root, distribution: Distribution, env: Mapping[str, str | None]) -> Iterator[Attachment]:
    """Yield how a Terraform command of a root, which gets `env`, reaches the run's provider.

    It is alone outside of a command's scope, and where sharing isn't safe.
    """
    scope, executable, variables = run_scope.current(), installed(at, distribution), _variables(env)
    if scope is None or executable is None or variables is None:
        yield Attachment({})
        return
    where = at.environment
    key = (distribution.registry, where.account, where.region, where.role_arn)
    with scope.the(SharedProviders).attached(key, executable, variables) as attachment:
        yield attachment


def let_go() -> None:
    """Let the run's providers end beside what comes now, when no more Terraform is to be expected."""
    scope = run_scope.current()
    if scope:
        scope.the(SharedProviders).let_go()


def installed(at: Root, distribution: Distribution) -> Path | None:
    """Return the AWS provider's executable that `init` installed for a root; None without exactly one."""
    folder = at.data_dir / "providers" / distribution.registry / _PROVIDER
    executables = list(folder.glob("*/*/terraform-provider-aws*"))
    return executables[0].resolve() if len(executables) == 1 else None


def is_linked(at: Root, distribution: Distribution) -> bool:
    """Say whether the AWS provider that `init` installs for a root is a link into a mirror or a cache.

    `init` makes the link after it has compared the file with the lock file. What it hashes then is for a new lock file.
    A provider without a mirror or a cache is unpacked in that place, so its file may be half written.
    """
    folder = at.data_dir / "providers" / distribution.registry / _PROVIDER
    return any(path.is_symlink() for path in folder.glob("*/*"))


def identity(at: Root, distribution: Distribution) -> str:
    """Return what distinguishes the installed executable from any other that may take its place.

    `init` compares it with the lock file's checksums. Terraform repeats that for providers that it starts itself.
    """
    executable = installed(at, distribution)
    if executable is None:
        return ""
    stat = executable.stat()
    return f"{executable} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"


def _variables(env: Mapping[str, str | None]) -> dict[str, str] | None:
    """Return the provider's environment; None where it must not be shared.

    A provider that is configured a second time refuses a bundle of certificates. Who reads Terraform's log wants the
    provider's in it.
    """
    given = {key: value for key, value in {**os.environ, **env}.items() if value is not None and key != "TF_DATA_DIR"}
    if given.get(VARIABLE) == "0" or any(given.get(name) for name in _LOGS):
        return None
    if _BUNDLE in given:
        endpoint = given.get(endpoints.GLOBAL, "")
        if not (endpoint.startswith("http://") and endpoints.is_local_cloud(endpoint)):
            return None
        del given[_BUNDLE]  # nothing is encrypted on the way there
    return given
