"""Other programs are run with deadlines, and end when we do."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import needs
import pytest

from stepladder.core import process
from stepladder.core.errors import InterruptedRunError, StepladderError


def test_output_and_exit_code_come_back():
    done = process.run(
        [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"], timeout=20
    )
    assert done == process.Completed(3, "out\n", "err\n")


@pytest.mark.parametrize("missing", [True, False], ids=["of Python", "of the kernel or a sandbox"])
def test_a_program_is_waited_for_without_a_pidfd(monkeypatch, missing):
    """Python lacks the call when it was built with headers older than Linux 5.3, as conda builds it."""
    if missing:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    else:
        monkeypatch.setattr(os, "pidfd_open", Mock(side_effect=OSError(errno.ENOSYS, "not implemented")), raising=False)
    done = process.run([sys.executable, "-c", "import time; time.sleep(0.1); print('out')"], timeout=60)
    assert done == process.Completed(0, "out\n", "")


def test_lines_are_seen_as_they_come():
    lines = []
    process.run([sys.executable, "-c", "print('a'); print('b')"], timeout=60, on_line=lines.append)
    assert lines == ["a", "b"]


def test_a_program_past_its_deadline_is_stopped():
    with pytest.raises(StepladderError, match="did not end within 0 s"):
        process.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_an_interrupt_reaches_the_program_once_and_is_waited_for(tmp_path):
    script = (
        "import pathlib, signal, sys, time\n"
        f"seen = pathlib.Path({str(tmp_path / 'seen')!r})\n"
        "def handle(*_):\n"
        "    seen.write_text(seen.read_text() + 'x'); time.sleep(0.3); sys.exit(1)\n"
        "seen.write_text(''); signal.signal(signal.SIGINT, handle)\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
        "time.sleep(60)\n"
    )

    def interrupt():
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(InterruptedRunError):
        process.run([sys.executable, "-c", script], timeout=60)
    assert (tmp_path / "seen").read_text() == "x"


def test_a_program_that_another_thread_waits_for_is_interrupted_when_it_is_cancelled(tmp_path):
    script = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGINT, lambda *_: (pathlib.Path({str(tmp_path / 'seen')!r}).touch(), sys.exit(1)))\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
        "time.sleep(60)\n"
    )
    cancelled, ended = threading.Event(), []

    def wait():
        with pytest.raises(InterruptedRunError):
            process.run([sys.executable, "-c", script], timeout=60, cancelled=cancelled)
        ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    cancelled.set()
    thread.join(60)
    assert ended
    assert (tmp_path / "seen").exists()


def test_a_program_ends_when_its_parent_is_killed(tmp_path):
    if sys.platform != "linux":
        needs.missing("no prctl(2), which is Linux's")
    pid_file = tmp_path / "pid"
    child = f"import os, pathlib, time; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    parent = f"import sys; from stepladder.core.process import run; run([sys.executable, '-c', {child!r}], timeout=60)"
    with subprocess.Popen([sys.executable, "-c", parent]) as running:
        while not pid_file.exists() or not pid_file.read_text():
            time.sleep(0.01)
        running.kill()
    deadline = time.monotonic() + 60
    while _alive(int(pid_file.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_spooled_program_outlives_our_death_and_ends_in_order(tmp_path):
    child = (
        "import pathlib, signal, sys, time\n"
        "def handle(*_):\n"
        f"    print('ending', flush=True); pathlib.Path({str(tmp_path / 'ended')!r}).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, handle)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    parent = (
        "import pathlib, sys\n"
        "from stepladder.core import process\n"
        f"process.run([sys.executable, '-c', {child!r}], timeout=60, spool=pathlib.Path({str(tmp_path / 'spool')!r}))"
    )
    run = subprocess.Popen([sys.executable, "-c", parent])
    spool = tmp_path / "spool.out"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (spool.exists() and spool.read_text()):
        time.sleep(0.02)
    run.kill()
    run.wait()
    while time.monotonic() < deadline and not (tmp_path / "ended").exists():
        time.sleep(0.02)
    assert spool.read_text() == "ready\nending\n"


def test_spooled_lines_come_whole_whatever_their_encoding(tmp_path):
    lines = []
    script = "import sys; sys.stdout.buffer.write('é\\nlast'.encode() + b'\\xff'); sys.stderr.write('err\\n')"
    done = process.run([sys.executable, "-c", script], timeout=60, on_line=lines.append, spool=tmp_path / "spool")
    assert done == process.Completed(0, "é\nlast\ufffd", "err\n")
    assert sorted(lines) == ["err", "last\ufffd", "é"]
    assert (tmp_path / "spool.out").stat().st_mode & 0o777 == 0o600


HEARS = """
import os, pathlib, signal, sys, time
seen = []
def handle(number, _frame):
    seen.append(number)
    pathlib.Path(sys.argv[1], "seen").write_text(" ".join(map(str, seen)))
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, handle)
pathlib.Path(sys.argv[1], "ready").touch()
deadline = time.monotonic() + 60
while not seen and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(float(sys.argv[2]))
pathlib.Path(sys.argv[1], "ended").touch()
"""
"""Hears of signals, and takes its time to end after the first."""

RUNS = """
import pathlib, signal, sys
from stepladder.core import process
from stepladder.collections import task
from stepladder.core.errors import StepladderError
folder = pathlib.Path(sys.argv[1])
if sys.argv[2] == "task":
    signal.signal(signal.SIGTERM, task._interrupt)
try:
    process.run(
        [sys.executable, "-c", (folder / "hears.py").read_text(), str(folder), "2"],
        timeout=float(sys.argv[3]), grace=20, spool=folder / "spool",
    )
except StepladderError as error:
    print(error.message, file=sys.stderr)
    sys.exit(int(error.exit_code))
"""


def _running(tmp_path, edge="task", timeout="60"):
    (tmp_path / "hears.py").write_text(HEARS)
    run = subprocess.Popen(
        [sys.executable, "-c", RUNS, str(tmp_path), edge, timeout], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return run


@pytest.mark.parametrize("edge", ["task", "bare"])
def test_however_often_we_are_interrupted_the_program_hears_of_it_once_and_ends_in_its_own_time(tmp_path, edge):
    run = _running(tmp_path, edge)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        run.send_signal(number)
        time.sleep(0.2)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 130, said
    assert (tmp_path / "ended").exists()
    assert (tmp_path / "seen").read_text() == str(int(signal.SIGINT))
    assert "to end safely" in said
    assert said.splitlines()[-1].startswith("interrupted while python")


def test_an_overdue_program_is_given_its_grace_and_hears_of_no_interrupt_meanwhile(tmp_path):
    run = _running(tmp_path, timeout="2")  # longer than it takes to be ready
    while not (tmp_path / "seen").exists():
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=60)[1]
    assert (tmp_path / "ended").exists()
    assert (tmp_path / "seen").read_text() == str(int(signal.SIGINT))
    assert run.returncode == 130, said


def test_an_interrupt_that_somebody_has_put_off_leaves_the_program_alone():
    came = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        done = process.run(
            [sys.executable, "-c", "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(0.3)"],
            timeout=60,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.code, came) == (0, [signal.SIGINT])


def test_handlers_are_as_they_were_afterwards():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    process.run(["true"], timeout=60)
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.timing("a whole process is bounded to 20 s")
def test_a_program_that_leaves_its_output_to_another_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(process, "_DRAIN", 0.3)
    leaves = (
        "import subprocess, sys; print('done', flush=True); subprocess.Popen(['sleep', '30'], start_new_session=True)"
    )
    started = time.monotonic()
    done = process.run([sys.executable, "-W", "ignore", "-c", leaves], timeout=20)
    assert (done.code, done.out) == (0, "done\n")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(("ci", "said"), [("true", "1"), ("", "None")], ids=["in a CI job", "for a person"])
def test_a_program_on_our_own_terminal_is_told_when_nobody_watches(capfd, monkeypatch, ci, said):
    monkeypatch.setenv("CI", ci)
    monkeypatch.delenv("NO_COLOR", raising=False)
    process.run([sys.executable, "-c", "import os; print(os.environ.get('NO_COLOR'))"], timeout=60, attached=True)
    assert capfd.readouterr().out.strip() == said
