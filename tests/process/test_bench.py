"""`inv bench` keeps what was measured before a part fails, says why it failed, and ends what the part started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import asking
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import measure  # noqa: E402
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
    monkeypatch.setenv("TMPDIR", str(tmp_path))

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
    ended, tables, _ = part(f"{TABLE}    raise RuntimeError('/home/me/bin/docker: no engine')\n")
    assert [table.name for table in tables] == ["kept", "made_up_part-failed"]
    assert ended.error == "RuntimeError: docker: no engine"
    assert "no engine" in tables[1].text()
    assert any(goal.missed for goal in tables[1].goals)


def test_a_part_that_is_killed_while_it_writes_a_table_leaves_those_before(part):
    ended, tables, _ = part(
        f"{TABLE}    import os, sys\n    print('{{\"table\": {{', end='', file=open(sys.argv[3], 'a'), flush=True)\n"
        f"    os.kill(os.getpid(), 9)\n"
    )
    assert [table.name for table in tables] == ["kept", "made_up_part-failed"]
    assert ended.error == "exit code -9"


@pytest.mark.parametrize("only", ["nonsense", "commands,nonsense", ",", "commands,"])
def test_what_is_no_part_measures_nothing(only):
    argv = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--only", only]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "there is no part" in done.stderr


def test_an_interrupt_ends_a_part_that_a_script_started_in_the_background(tmp_path):
    (tmp_path / "made_up_part.py").write_text(
        f"import pathlib, time\n\n\ndef measure(work, _rounds):\n"
        f"    pathlib.Path({str(tmp_path / 'work')!r}).write_text(str(work))\n    time.sleep(600)\n    yield\n"
    )
    argv = [sys.executable, str(ROOT / "benchmarks" / "alone.py"), "made_up_part", "1", str(tmp_path / "tables")]
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]
    with subprocess.Popen(ignoring, env={**os.environ, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE) as child:
        asking.until(lambda: (tmp_path / "work").is_file() and (tmp_path / "work").read_text(), bool)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Traceback" not in err
    assert not Path((tmp_path / "work").read_text()).exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["sh", "-c", "sleep 5 & sleep 5"], "sh -c sleep 5 & sleep 5 took longer than 0 s"),
        (["no-such-tool"], "no-such-tool can't be started: No such file or directory"),
    ],
    ids=["hangs", "is not there"],
)
def test_a_tool_that_fails_is_a_row_and_not_the_end_of_its_part(argv, why, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "_DEADLINE", 0.2)
    with pytest.raises(RuntimeError) as caught:
        measure.Command(argv, tmp_path, measure.environment()).run()
    assert str(caught.value) == why


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_ends_its_part(tmp_path, how):
    """The folder of one that is killed outright is left; its part ends as of an interrupt, and removes its own."""
    (tmp_path / "made_up_part.py").write_text(
        f"import os, pathlib, time\n\n\ndef measure(work, _rounds):\n    (work / 'file').touch()\n"
        f"    pathlib.Path({str(tmp_path / 'seen')!r}).write_text(f'{{os.getpid()}} {{work}}')\n"
        f"    time.sleep(600)\n    yield\n"
    )
    script = "import run; run.PARTS['made_up_part'] = ''; run.end_by(lambda: run.measured('made_up_part', 1) and 0)"
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'benchmarks'}", "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], env=env, stderr=subprocess.PIPE) as child:
        asking.until(lambda: (tmp_path / "seen").is_file() and (tmp_path / "seen").read_text(), bool)
        child.send_signal(how)
        child.communicate(timeout=60)
    assert child.returncode == (-how if how == signal.SIGKILL else 130)
    pid, work = (tmp_path / "seen").read_text().split()
    asking.until(lambda: Path(work).exists() or not has_ended(f"/proc/{pid}/stat"), lambda goes_on: not goes_on)
    assert how == signal.SIGKILL or not list(tmp_path.glob("bench-*"))


def has_ended(stat):
    return not Path(stat).exists() or ") Z " in Path(stat).read_text()


def test_a_part_that_hangs_is_ended_with_what_it_started(part, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "DEADLINE", 3.0)
    monkeypatch.setattr(run, "_GRACE", 0.2)
    source = f"""{TABLE}
    import signal, subprocess, time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"], process_group=0)
    open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
    child.wait()
"""
    ended, _, _ = part(source)
    assert ended.error == "it took longer than 3 s"
    assert has_ended(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    assert not list(tmp_path.glob("bench-*"))
