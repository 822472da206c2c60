"""`inv bench` keeps what was measured before a part fails, says why it failed, and ends what the part started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import run  # noqa: E402

TABLE = """
from tables import Goal, Row, Table


def measure(work, rounds):
    yield Table("kept", f"{rounds} rounds in {len(list(work.iterdir()))} files", ("what",), (Row(("one",)),))
"""


@pytest.fixture
def part(tmp_path, monkeypatch):
    """Write a part of the benchmarks, and measure it."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def measured(source):
        (tmp_path / "made_up_part.py").write_text(source)
        monkeypatch.setitem(run.PARTS, "made_up_part", "what was made up")
        return run.measured("made_up_part", 3)

    return measured


def test_a_part_leaves_its_tables_and_the_versions_of_what_it_measured(part):
    ended, tables, versions = part(f"{TABLE}\n\ndef versions():\n    return {{'osls': '4.3.1'}}\n")
    assert [table.title for table in tables] == ["3 rounds in 0 files"]
    assert versions == {"osls": "4.3.1"}
    assert ended.error == ""


def test_a_part_that_fails_leaves_what_it_had_and_a_missed_goal(part):
    ended, tables, _ = part(f"{TABLE}    raise RuntimeError('no engine')\n")
    assert [table.name for table in tables] == ["kept", "made_up_part-failed"]
    assert ended.error == "RuntimeError: no engine"
    assert "no engine" in tables[1].text()
    assert any(goal.missed for goal in tables[1].goals)


def test_a_part_that_hangs_is_ended_with_what_it_started(part, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "DEADLINE", 3.0)
    monkeypatch.setattr(run, "_GRACE", 0.2)
    source = f"""{TABLE}
    import signal, subprocess, time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"])
    open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
    child.wait()
"""
    ended, _, _ = part(source)
    assert ended.error == "it took longer than 3 s"
    state = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    assert not state.exists() or ") Z " in state.read_text()
