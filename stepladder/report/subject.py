"""Which release or promotion is meant: by an id, a name, an ARN or the beginning of one; else the newest failure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from stepladder.core import aws
from stepladder.core.clock import seconds_of
from stepladder.core.errors import BadInputError
from stepladder.core.names import split_target, target_key
from stepladder.core.similar import nearest
from stepladder.ledger import schema
from stepladder.ledger.lock import EnvironmentLock
from stepladder.ledger.schema import Holder, ReleaseEntry
from stepladder.promotion.executions import Execution, ListedExecution, StateMachine
from stepladder.releases.rung import Rung
from stepladder.report import rungs

FAILURES = frozenset({schema.FAILED, schema.ROLLED_BACK, schema.ROLLBACK_FAILED})
_FAILED_STATUSES = frozenset({"FAILED", "ABORTED", "TIMED_OUT"})
_AT_ONCE = 8  # ledgers that are read at once
_NEWEST = 10  # releases of a target among which the newest failure is
_LISTED = 100  # executions that are looked through
_DESCRIBED = 40  # of them, those whose input is read for a release that the ledger lost
_SHOWN = 5
_RELEASE = r"\d{8}T\d{6}Z-[0-9a-f]{6}"


@dataclass(frozen=True)
class ReportSubject:
    """What a story is of: a release by its id, with its entries by target, or a promotion's execution, or both.

    `holder` holds the lock of a command that left nothing else, on the target `held`. `gone` is the ARN of an execution
    that the ledger names and Step Functions no longer has.
    """

    release_id: str = ""
    execution: Execution | None = None
    entries: dict[str, ReleaseEntry] = field(default_factory=dict)
    holder: Holder | None = None
    held: str = ""
    gone: str = ""
    unread: tuple[str, ...] = ()


class SubjectFinder:
    """Find what is meant in the ledgers and executions of a project. `environment` narrows it, if it is given."""

    def __init__(self, machine: StateMachine, environment: str = "") -> None:
        self._machine, self._environment = machine, environment
        self._unread: list[str] = []
        names = machine.settings.function_names
        environments = [environment] if environment else [*machine.settings.environments]
        keys = [target_key(each, name) for each in environments for name in names]
        self.targets = tuple(dict.fromkeys([*environments, *keys]))  # a failed apply is the environment's own

    def named(self, wanted: str) -> ReportSubject:
        """Return what an id, a name, an ARN or the beginning of one means.

        Raises `BadInputError` (unknown-release) for nothing that there is, and for several.
        """
        if wanted in self._machine.settings.environments:
            raise BadInputError(
                f"{wanted} is an environment, and no release or promotion",
                kind="unknown-release",
                hint=f"give it by its flag: `inv diagnose --env {wanted}`, `inv report --env {wanted}`",
            )
        name = wanted.rpartition(":")[2] if wanted.startswith("arn:") else wanted.strip()
        is_release = bool(re.fullmatch(_RELEASE, name))
        if not is_release and (execution := self._described(wanted.strip() if wanted.startswith("arn:") else name)):
            return self._of_execution(execution)
        entries = self._entries_like(name)
        ids = {entry.release_id for entry in entries}
        listed = [] if ids else [one for one in self._executions() if one["name"].startswith(name)]
        if len(ids) + len(listed) > 1:
            raise self._several(wanted, [*sorted(ids), *(one["name"] for one in listed)])
        if ids:
            return self._of_release(entries[0])
        execution = self._machine.describe(listed[0]["executionArn"]) if listed else self._of_lost_release(name)
        if execution:
            return self._of_execution(execution)
        raise self._unknown(wanted)

    def newest_failure(self) -> ReportSubject | None:
        """Return the newest release, promotion or command that failed or was cut off; None when all went well."""
        entries = [entry for entry in self._newest_entries() if entry.result in FAILURES]
        candidates: list[tuple[float, Callable[[], ReportSubject]]] = [
            (seconds_of(entry.ended_at or entry.started_at), lambda entry=entry: self._of_release(entry))  # type: ignore[misc]
            for entry in entries[:1]
        ]
        for one in self._executions():
            if one["status"] in _FAILED_STATUSES and self._is_inside(one["executionArn"]):
                stopped = one.get("stopDate") or one["startDate"]
                candidates.append((stopped.timestamp(), lambda one=one: self._of_arn(one["executionArn"])))  # type: ignore[misc]
                break
        for key, holder in self._dead_holders():
            candidates.append((seconds_of(holder.since), lambda key=key, holder=holder: self._of_holder(key, holder)))  # type: ignore[misc]
        if not candidates:
            return None
        return max(candidates, key=lambda candidate: candidate[0])[1]()

    def newest(self) -> ReportSubject | None:
        """Return the newest release or promotion, however it went; None when there is none."""
        entries, executions = self._newest_entries(), self._executions()
        newest = next((one for one in executions[:_DESCRIBED] if self._is_inside(one["executionArn"])), None)
        if newest and _is_newest(newest, entries):
            return self._of_arn(newest["executionArn"])
        return self._of_release(entries[0]) if entries else None

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be read, as sentences."""
        return tuple(dict.fromkeys(self._unread))

    # the ledgers

    def rung(self, key: str) -> Rung:
        """Return a target as a rung with the clients of its location."""
        return rungs.at(self._machine, key)

    def _read(self, read: Callable[[str], Iterable[ReleaseEntry]]) -> list[ReleaseEntry]:
        """Read all targets' ledgers at once; newest first. One that can't be read is noted, unless all can't be."""
        failures: list[Exception] = []

        def of(key: str) -> list[ReleaseEntry]:
            try:
                return list(read(key))
            except Exception as error:
                explained = aws.explain(error)
                if explained is None:
                    raise
                if aws.error_code(error) == "ResourceNotFoundException":
                    return []  # nothing was ever deployed there
                failures.append(error)
                self._unread.append(f"the ledger of {key} can't be read: {explained.message}")
                return []

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ledger") as pool:
            entries = [entry for of_target in pool.map(of, self.targets) for entry in of_target]
        if failures and len(failures) == len(self.targets):
            raise failures[0]
        return sorted(entries, key=lambda entry: entry.release_id, reverse=True)

    def _newest_entries(self) -> list[ReleaseEntry]:
        return self._read(lambda key: self.rung(key).ledger.history(key, limit=_NEWEST))

    def _entries_like(self, name: str) -> list[ReleaseEntry]:
        """Return the entries whose id is a name, or begins with it."""
        if re.fullmatch(_RELEASE, name):
            return self._read(lambda key: filter(None, [self.rung(key).ledger.find(key, name)]))
        return self._read(lambda key: islice(self.rung(key).ledger.releases(key, page=_SHOWN, begins=name), _SHOWN))

    def _dead_holders(self) -> list[tuple[str, Holder]]:
        """Return the locks whose holder is gone: of commands that were killed, and of executions that have ended."""
        dead = []
        for keys in self._by_table(self.targets):
            rung = self.rung(keys[0])
            try:
                held = [(key, read.lock) for key, read in rung.ledger.snapshots(keys).items() if read.lock]
            except Exception as error:
                if aws.explain(error) is None:
                    raise
                continue  # which is noted where its releases are read
            locks = EnvironmentLock(rung.ledger, keys[0], "", clock=rung.clock)
            dead += [(key, holder) for key, holder in held if locks.is_over(holder)]
        return dead

    def _by_table(self, keys: Sequence[str]) -> list[list[str]]:
        """Return the keys of each location together, whose ledger is one table."""
        tables: dict[tuple[str, str], list[str]] = {}
        for key in keys:
            at = self.rung(key).names
            tables.setdefault((at.account, at.region), []).append(key)
        return list(tables.values())

    # executions

    def _described(self, name: str) -> Execution | None:
        arn = name if name.startswith("arn:") else self._machine.execution_arn(name)
        try:
            return self._machine.describe(arn)
        except Exception as error:
            if aws.error_code(error) in {"InvalidArn", "ValidationException"}:
                return None
            explained = aws.explain(error)
            if explained is None:
                raise
            if aws.is_unreachable(error) or explained.kind == "no-credentials":
                raise
            self._unread.append(f"executions can't be read: {explained.message}")
            return None

    def _executions(self) -> Sequence[ListedExecution]:
        try:
            return self._machine.executions(limit=_LISTED, may_be_missing=True)
        except Exception as error:
            explained = aws.explain(error)
            if explained is None or aws.is_unreachable(error) or explained.kind == "no-credentials":
                raise
            self._unread.append(f"executions can't be read: {explained.message}")
            return []

    def _execution_of(self, entry: ReleaseEntry) -> Execution | None:
        """Return the promotion that wrote an entry; of a child execution, in whatever location, its parent."""
        execution = self._described(entry.execution_arn)
        if execution:
            parent = str(execution.input.get("parent", ""))
            return (self._described(parent) if parent else None) or execution
        try:
            client = self.rung(entry.environment).aws.client("stepfunctions")
            parent = json.loads(client.describe_execution(executionArn=entry.execution_arn)["input"]).get("parent", "")
        except Exception as error:
            if aws.explain(error) is None:
                raise
            return None  # its history is gone, or that location can't be read
        return self._described(parent) if parent else None

    def _is_inside(self, arn: str) -> bool:
        """Say whether a promotion has a target in the environment that is meant."""
        if not self._environment:
            return True
        execution = self._machine.describe(arn)
        return execution is not None and any(
            split_target(target["environment"])[0] == self._environment for target in execution.targets
        )

    def _of_lost_release(self, release_id: str) -> Execution | None:
        """Return the execution of a release of which the ledger has nothing."""
        if not re.fullmatch(_RELEASE, release_id):
            return None
        for one in self._executions()[:_DESCRIBED]:
            execution = self._machine.describe(one["executionArn"])
            if execution and execution.input.get("release_id") == release_id:
                return execution
        return None

    # subjects

    def _of_arn(self, arn: str) -> ReportSubject:
        execution = self._machine.describe(arn)
        return self._of_execution(execution) if execution else ReportSubject(gone=arn, unread=self.unread)

    def _of_execution(self, execution: Execution) -> ReportSubject:
        release_id = str(execution.input.get("release_id", ""))
        keys = [target["environment"] for target in execution.targets] if "rungs" in execution.input else []
        return ReportSubject(release_id, execution, self._entries_of(keys, release_id), unread=self.unread)

    def _of_release(self, entry: ReleaseEntry) -> ReportSubject:
        if entry.execution_arn and (execution := self._execution_of(entry)):
            return self._of_execution(execution)
        environment = split_target(entry.environment)[0]
        keys = [key for key in self.targets if entry.execution_arn or split_target(key)[0] == environment]
        entries = self._entries_of(keys, entry.release_id) or {entry.environment: entry}
        return ReportSubject(entry.release_id, None, entries, gone=entry.execution_arn, unread=self.unread)

    def _of_holder(self, key: str, holder: Holder) -> ReportSubject:
        if ":execution:" in holder.run_id and (execution := self._described(holder.run_id)):
            return self._of_execution(execution)
        return ReportSubject(holder=holder, held=key, unread=self.unread)

    def _entries_of(self, keys: Sequence[str], release_id: str) -> dict[str, ReleaseEntry]:
        """Return a release's entries by target, as far as they can be read."""
        if not release_id:
            return {}
        entries: dict[str, ReleaseEntry] = {}
        for of_location in self._by_table(keys):
            try:
                entries |= self.rung(of_location[0]).ledger.entries(dict.fromkeys(of_location, release_id))
            except Exception as error:
                explained = aws.explain(error)
                if explained is None:
                    raise
                self._unread.append(f"the ledger of {of_location[0]} can't be read: {explained.message}")
        return {key: entries[key] for key in keys if key in entries}

    # errors

    def _several(self, wanted: str, names: Sequence[str]) -> BadInputError:
        where = self._environment or next(iter(self._machine.settings.environments), "")
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        return BadInputError(
            f"{wanted!r} begins the ids of several releases or promotions: {shown}",
            kind="unknown-release",
            hint=f"the whole ids: `inv ledger --env {where}`",
        )

    def _unknown(self, wanted: str) -> BadInputError:
        known = [entry.release_id for entry in self._newest_entries()] + [one["name"] for one in self._executions()]
        meant = nearest(wanted, known)
        where = self._environment or next(iter(self._machine.settings.environments), "")
        hint = f"did you mean `{meant}`? " if meant else ""
        return BadInputError(
            f"there is no release or promotion {wanted!r}" + (f" on {self._environment}" if self._environment else ""),
            kind="unknown-release",
            hint=f"{hint}the releases: `inv ledger --env {where}`",
        )


def _is_newest(execution: ListedExecution, entries: Sequence[ReleaseEntry]) -> bool:
    """Say whether a promotion is newer than all entries; their order counts more than two clocks that may differ."""
    if execution["executionArn"] in {entry.execution_arn for entry in entries}:
        return entries[0].execution_arn == execution["executionArn"]
    return not entries or execution["startDate"].timestamp() >= seconds_of(entries[0].started_at)
