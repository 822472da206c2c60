"""What is kept with `--data`: one moment, and data only."""

from __future__ import annotations

import os
import pickle
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud import snapshot
from localcloud.http.call_gate import CallGate
from localcloud.state import SavedState
from stepladder.core.errors import StepladderError


class Cloud:
    """Two parts that one call changes together."""

    def __init__(self) -> None:
        self.gate = CallGate()
        self.left = self.right = 0
        self.savers: dict[str, Any] = {"left": lambda: self.left, "right": lambda: self.right}
        self.loaders: dict[str, Any] = {
            "left": lambda value: setattr(self, "left", value),
            "right": lambda value: setattr(self, "right", value),
        }

    def change(self) -> None:
        with self.gate.passing("dynamodb", "PutItem"):
            self.left += 1
            self.right += 1

    def state(self, folder: Path) -> SavedState:
        return SavedState(self, folder, self.gate)  # type: ignore[arg-type]  # all that State asks of a cloud


def test_all_parts_are_of_one_moment(tmp_path: Path) -> None:
    cloud = Cloud()
    others: list[threading.Thread] = []

    def left() -> int:  # somebody calls between the first part and the second
        others.append(threading.Thread(target=cloud.change))
        others[0].start()
        others[0].join(0.2)
        return cloud.left

    cloud.savers["left"] = left
    state = cloud.state(tmp_path / "state")
    state.load()
    assert state.save() == []
    others[0].join()
    assert cloud.left == cloud.right == 1
    again = Cloud()
    again.state(tmp_path / "state").load()
    assert again.left == again.right == 0


def test_a_call_inside_a_call_passes_a_gate_that_somebody_waits_to_close() -> None:
    gate, closed = CallGate(), threading.Event()

    def close() -> None:
        with gate.closed(10) as quiet:
            assert quiet
            closed.set()

    with gate.passing("lambda", "UpdateAlias"):
        thread = threading.Thread(target=close)
        thread.start()
        while not gate._closing:
            pass
        with gate.passing("lambda", "GetFunction"):
            assert not closed.is_set()
    thread.join(60)
    assert closed.is_set()


def test_a_call_that_waits_for_others_keeps_no_gate_open(tmp_path: Path) -> None:
    gate = CallGate()
    with gate.passing("lambda", "Invoke"), gate.closed(1) as quiet:
        assert quiet


def test_calls_that_never_end_are_told_and_the_last_good_state_stays(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("localcloud.state._CLOSE_SECONDS", 0.05)
    cloud = Cloud()
    state = cloud.state(tmp_path / "state")
    state.load()
    state.save()
    cloud.left = 5
    held = threading.Event()

    def call() -> None:
        with cloud.gate.passing("dynamodb", "PutItem"):
            held.wait(60)

    thread = threading.Thread(target=call)
    thread.start()
    while not cloud.gate._inside:
        pass
    (lost,) = state.save()
    assert "calls were under way" in lost
    held.set()
    thread.join()
    again = Cloud()
    again.state(tmp_path / "state").load()
    assert again.left == 0
    assert state.save() == []


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda path: pickle.dumps(Evil(path)), id="a function of the system"),
        pytest.param(lambda path: pickle.dumps(Evil(path), protocol=0), id="written by an older protocol"),
        pytest.param(
            lambda path: (
                pickle.PROTO
                + b"\x04"
                + _text("localcloud.state")
                + _text("os.mkdir")
                + b"\x93"
                + _text(str(path))
                + b"\x85R."
            ),
            id="through a module of ours",
        ),
        pytest.param(
            lambda path: (
                pickle.PROTO
                + b"\x04"
                + _text("stepladder.core.resources")
                + _text("folder")
                + b"\x93"
                + _text(str(path))
                + b"\x85R."
            ),
            id="a function of ours",
        ),
    ],
)
def test_a_file_that_names_what_it_wants_called_is_refused_and_nothing_is_called(tmp_path: Path, data: Any) -> None:
    cloud, folder, made = Cloud(), tmp_path / "state", tmp_path / "made"
    state = cloud.state(folder)
    state.load()
    state.save()
    with zipfile.ZipFile(state.file, "w") as archive:
        archive.writestr("plugin-left", data(made))
    state.file.chmod(0o600)
    with pytest.raises(StepladderError, match="can't be read: it names"):
        cloud.state(folder).load()
    assert not made.exists()


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def test_what_cannot_be_read_back_is_not_kept_and_named(tmp_path: Path) -> None:
    cloud = Cloud()
    cloud.savers["left"] = lambda: os.system
    state = cloud.state(tmp_path / "state")
    state.load()
    (lost,) = state.save()
    assert lost.startswith("left: ForbiddenError") or "left" in lost
    again = Cloud()
    again.state(tmp_path / "state").load()


@pytest.mark.parametrize("name", [".", "state.zip"])
def test_what_others_may_write_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "state"
    state = Cloud().state(folder)
    state.load()
    state.save()
    (folder / name).chmod(0o777)
    with pytest.raises(StepladderError, match="others than you may write"):
        Cloud().state(folder).load()


def test_a_folder_that_does_not_say_what_wrote_it_is_refused(tmp_path: Path) -> None:
    state = Cloud().state(tmp_path / "state")
    state.load()
    state.save()
    (tmp_path / "state" / "format").unlink()
    with pytest.raises(StepladderError, match="doesn't say what wrote it"):
        Cloud().state(tmp_path / "state").load()


def test_locks_and_threads_come_back_new() -> None:
    value = SimpleNamespace(lock=threading.RLock(), event=threading.Event(), thread=threading.Thread())
    loaded = snapshot.load(snapshot.dump(value))
    assert loaded.lock.acquire(blocking=False)
    assert not loaded.event.is_set()
    assert loaded.thread is None
