"""The ledger: one DynamoDB table of every release of every rung (docs/concepts/ledger.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from stepladder.core.aws import error_code, is_unreachable
from stepladder.core.errors import LockedError
from stepladder.core.names import split_target
from stepladder.ledger import environment_items
from stepladder.ledger.command_runs import CommandRuns
from stepladder.ledger.destruction import DESTROY, Destruction
from stepladder.ledger.environment_items import Current, Holder, InfraRecord
from stepladder.ledger.items import CONDITION_FAILED, NOT_FOUND
from stepladder.ledger.snapshot import Holding, Snapshot
from stepladder.ledger.transaction import Action, transact

if TYPE_CHECKING:
    from stepladder.ledger.schema import Bad, ReleaseEntry

_PAGE = 100


def _name(key: environment_items.Item) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


def _lost(environment: str) -> LockedError:
    return LockedError(
        f"the lock of {environment} was lost before the ledger could be written",
        hint="somebody else has taken it over; run the same command again once they are done",
    )


class Ledger(CommandRuns):
    """Read and write the ledger of one project. `client` is DynamoDB's."""

    def snapshot(self, target: str) -> Snapshot:
        """Read a target's lock, current release and infrastructure, and the foundation, in one call."""
        return self.snapshots([target])[target]

    def snapshots(self, targets: Sequence[str]) -> dict[str, Snapshot]:
        """Read many targets as `snapshot` does, in one call for each hundred items.

        The targets of one environment share its infrastructure: each gets that as its function has it.
        """
        foundation = environment_items.ROOT.key(root="foundation")
        services = {target: environment_items.SERVICE.key(environment=split_target(target)[0]) for target in targets}
        destroys = {target: DESTROY.key(environment=split_target(target)[0]) for target in targets}
        keys = [foundation, *services.values(), *destroys.values()]
        for target in targets:
            keys += [kind.key(environment=target) for kind in (environment_items.LOCK, environment_items.CURRENT)]
        try:
            items = self.batch(list({_name(key): key for key in keys}.values()))
        except Exception as error:
            if error_code(error) == NOT_FOUND:
                return dict.fromkeys(targets, Snapshot(exists=False))
            raise
        read = {}
        for target in targets:
            infra = environment_items.record(InfraRecord, items.get(_name(services[target])))
            read[target] = Snapshot(
                exists=True,
                lock=environment_items.record(Holder, items.get(_name(environment_items.LOCK.key(environment=target)))),
                current=environment_items.record(
                    Current, items.get(_name(environment_items.CURRENT.key(environment=target)))
                ),
                infra=infra.of_function(split_target(target)[1]) if infra else None,
                foundation=environment_items.record(InfraRecord, items.get(_name(foundation))),
                destroying=environment_items.record(Destruction, items.get(_name(destroys[target]))),
            )
        return read

    def record_infra(self, environment: str | None, infra: InfraRecord, holding: Holding | None = None) -> None:
        """Record an applied root: the service of an environment, or the foundation (None).

        `holding` is the lock under which it was applied, without which only a first foundation is. Raises
        `LockedError` when that was lost: somebody else may have applied since.
        """
        key = (
            environment_items.SERVICE.key(environment=environment)
            if environment
            else environment_items.ROOT.key(root="foundation")
        )
        put = {"TableName": self.table, "Item": environment_items.item(key, infra)}
        if holding is None:
            self.client.put_item(**put)
        elif transact(self.client, self.clock, [{"Put": put}, self._held(holding)]):
            raise _lost(holding.environment)

    def finish(
        self, release: ReleaseEntry, current: Current | None, run_id: str, *, bad: tuple[str, Bad] | None = None
    ) -> None:
        """Write a release, what is current now, and give the lock back: all or nothing, in one call.

        Without `current` only the release is written (it failed; the alias serves what it served). `bad` marks a
        digest in the same breath; a mark that it has already stays. When the lock is no longer ours the release is
        still written, `current` isn't, and `LockedError` is raised.
        """
        puts = self._puts(release, current, bad)
        unlock = {
            "TableName": self.table,
            "Key": environment_items.LOCK.key(environment=release.environment),
            "ConditionExpression": "run_id = :mine",
            "ExpressionAttributeValues": {":mine": {"S": run_id}},
        }
        try:
            failed = self._write(puts, {"Delete": unlock}, marks=bool(bad))
        except Exception as error:
            if is_unreachable(error) and self._has(release):
                return  # its answer was lost, not the write
            raise
        if not failed or self.find(release.environment, release.release_id):
            return  # with an entry it was sent twice: the first answer was lost, and the lock is gone with it
        self.write(replace(release, cause=release.cause or "the lock was lost before the ledger was written"))
        if bad:
            self.mark_bad(*bad)
        raise _lost(release.environment)

    def _has(self, release: ReleaseEntry) -> bool:
        """Say whether a release is written down; not, when that can't be read."""
        try:
            return self.find(release.environment, release.release_id) is not None
        except Exception:  # noqa: BLE001 - what failed first is what matters
            return False

    def adopt(
        self, release: ReleaseEntry, current: Current, run_id: str, *, bad: tuple[str, Bad] | None = None
    ) -> None:
        """Write what a run that was cut off has left unwritten, under our own lock, which stays ours.

        An entry that is there already is left; raises `LockedError` when the lock was lost.
        """
        held = self._held(Holding(release.environment, run_id))
        failed = self._write(self._puts(release, current, bad), held, marks=bool(bad))
        if failed and not self.find(release.environment, release.release_id):
            raise _lost(release.environment)

    def _puts(self, release: ReleaseEntry, current: Current | None, bad: tuple[str, Bad] | None) -> list[Action]:
        """Return the writes that end a release."""
        puts: list[Action] = [{"Put": self._entry(release)}]
        if current:
            key = environment_items.CURRENT.key(environment=release.environment)
            puts.append({"Put": {"TableName": self.table, "Item": environment_items.item(key, current)}})
        if bad:
            puts.append({"Put": self.mark_item(*bad)})
        return puts

    def _write(self, puts: list[Action], guard: Action, *, marks: bool) -> list[int]:
        """Write what ends a release under a guard; a mark, which is the last of it, only where there is none yet."""
        failed = transact(self.client, self.clock, [*puts, guard])
        if marks and failed == [len(puts) - 1]:
            return transact(self.client, self.clock, [*puts[:-1], guard])
        return failed

    def _held(self, holding: Holding) -> Action:
        """Return the condition that somebody still holds a lock."""
        return {
            "ConditionCheck": {
                "TableName": self.table,
                "Key": environment_items.LOCK.key(environment=holding.environment),
                "ConditionExpression": "run_id = :mine",
                "ExpressionAttributeValues": {":mine": {"S": holding.run_id}},
            }
        }

    def write(self, release: ReleaseEntry) -> bool:
        """Write one release unless it is there; say whether it was new."""
        try:
            self.client.put_item(**self._entry(release))
        except Exception as error:
            if error_code(error) == CONDITION_FAILED:
                return False
            raise
        return True

    def set_current(
        self, environment: str, current: Current, *, was: Current | None, holding: Holding | None = None
    ) -> bool:
        """Replace what is current if it is still what was read, and the lock is held; say whether both are so."""
        condition: dict[str, object] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if was:
            condition = {
                "ConditionExpression": "release_id = :was",
                "ExpressionAttributeValues": {":was": {"S": was.release_id}},
            }
        key = environment_items.CURRENT.key(environment=environment)
        put = {"Put": {"TableName": self.table, "Item": environment_items.item(key, current), **condition}}
        return not transact(self.client, self.clock, [put, self._held(holding)] if holding else [put])

    def _entry(self, release: ReleaseEntry) -> dict[str, object]:
        from stepladder.ledger.schema import RELEASE

        key = RELEASE.key(environment=release.environment, release_id=release.release_id)
        return {
            "TableName": self.table,
            "Item": environment_items.item(key, release),
            "ConditionExpression": "attribute_not_exists(pk)",
        }

    def history(self, environment: str, *, limit: int = 20) -> list[ReleaseEntry]:
        """Return the newest releases of an environment, newest first."""
        return list(islice(self.releases(environment, page=min(limit, _PAGE)), limit))

    def releases(self, environment: str, *, page: int = _PAGE, begins: str = "") -> Iterator[ReleaseEntry]:
        """Yield the releases of an environment, newest first; `page` is how many one call returns.

        With `begins` only those whose id begins so.
        """
        from stepladder.ledger.schema import RELEASE_PREFIX, ReleaseEntry

        query = {
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": {
                ":pk": {"S": f"env#{environment}"},
                ":prefix": {"S": f"{RELEASE_PREFIX}{begins}"},
            },
            "ScanIndexForward": False,
            "Limit": page,
        }
        for answer in self.pages("query", **query):
            for raw in answer["Items"]:
                release = environment_items.record(ReleaseEntry, raw)
                if release:
                    yield release

    def find(self, environment: str, release_id: str) -> ReleaseEntry | None:
        """Return one release."""
        from stepladder.ledger.schema import RELEASE, ReleaseEntry

        key = RELEASE.key(environment=environment, release_id=release_id)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return environment_items.record(ReleaseEntry, answer.get("Item"))

    def entries(self, wanted: Mapping[str, str]) -> dict[str, ReleaseEntry]:
        """Return one release of each of many targets, by target and release id; one call for each hundred."""
        from stepladder.ledger.schema import RELEASE, ReleaseEntry

        keys = {target: RELEASE.key(environment=target, release_id=each) for target, each in wanted.items()}
        items = self.batch(list(keys.values())) if keys else {}
        records = {
            target: environment_items.record(ReleaseEntry, items.get(_name(key))) for target, key in keys.items()
        }
        return {target: entry for target, entry in records.items() if entry}

    def succeeded(self, environment: str) -> Iterator[ReleaseEntry]:
        """Yield the releases that succeeded, newest first."""
        from stepladder.ledger.schema import SUCCEEDED

        return (release for release in self.releases(environment) if release.result == SUCCEEDED)

    def protected_digests(self, environments: Iterable[str], *, keep: int = 10) -> set[str]:
        """Return what pruning must leave: current digests and those of each rung's last `keep` good releases."""
        digests = set()
        for environment in environments:
            current = self.snapshot(environment).current
            if current:
                digests.add(current.digest)
            for count, release in enumerate(self.succeeded(environment)):
                if count == keep:
                    break
                digests.add(release.digest)
        return digests
