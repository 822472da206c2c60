"""`inv ledger` and `inv ledger.rebuild` on fake AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.world import TABLE, World, digest

from stepladder.console import Console
from stepladder.errors import LockedError, RefusedError
from stepladder.releases import history
from stepladder.releases.rollback import Rollback
from stepladder.releases.rung import Rung


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A rung that was released twice."""
    monkeypatch.delenv("CI", raising=False)
    world = World(tmp_path)
    for source in ("one", "two"):
        world.source = source
        world.deploy()
    return world


def rung(world: World, *, as_json: bool = False) -> Rung:
    console = Console(err=world.err, out=world.out, live=False, as_json=as_json)
    return Rung(world.settings, "staging", world.aws, console, "inv ledger", world.time.clock())  # type: ignore[arg-type]


def test_releases_are_rows_newest_first_and_the_live_one_is_marked(world: World) -> None:
    history.show(rung(world), 20)
    _, newest, oldest = world.out.getvalue().splitlines()
    assert newest.split()[:6] == ["*", world.releases[1]["release_id"], "deploy", "succeeded", "2", digest("two")[7:19]]
    assert oldest.split()[0] == world.releases[0]["release_id"]


def test_json_has_every_attribute_and_the_limit_holds(world: World) -> None:
    history.show(rung(world, as_json=True), 1)
    (record,) = json.loads(world.out.getvalue())
    assert (record["version"], record["digest"], record["previous_version"]) == ("2", digest("two"), "1")


def test_a_ledger_that_was_lost_is_written_anew_and_can_be_rolled_back_by(world: World) -> None:
    before = world.releases
    world.table.tables[TABLE].clear()
    assert [release.version for release in history.rebuild(rung(world))] == ["1", "2"]
    kept = ("release_id", "version", "digest", "git_commit", "result")
    assert [{k: r[k] for k in kept} for r in world.releases] == [{k: r[k] for k in kept} for r in before]
    assert history.rebuild(rung(world)) == []
    assert not world.items("lock")
    assert Rollback(world.rung()).run().version == "1"


def test_a_ledger_is_not_rebuilt_beside_a_release_under_way(world: World) -> None:
    other = world.rung().lock
    other.acquire()
    with pytest.raises(LockedError):
        history.rebuild(rung(world))
    other.release()


def test_without_a_table_there_is_nothing_to_show(world: World) -> None:
    world.table.tables.clear()
    with pytest.raises(RefusedError, match="no ledger yet"):
        history.show(rung(world), 20)
