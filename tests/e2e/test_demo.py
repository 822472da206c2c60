"""`inv demo` as a person meets it: whole, piped, interrupted, failing."""

from __future__ import annotations

import shutil
import signal
import sys

import pytest

INVOKE = (sys.executable, "-m", "invoke")

pytestmark = pytest.mark.e2e
SECONDS = 30  # Terraform ends what it is at before it ends; a loaded machine needs a few more


IN_ITS_PLACE = pytest.mark.long("other moments: while a process starts, and while one that takes its time must end")


def _terraform():
    """Name the Terraform, which needn't be where the system's own programs are."""
    return {"STEPLADDER_TERRAFORM": shutil.which("terraform")} if shutil.which("terraform") else {}


def _scripted(tmp_path, command):
    """Name a Terraform that knows its version, and otherwise runs a command of the shell."""
    script = tmp_path / "terraform"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && echo \'{{"terraform_version": "1.11.4"}}\' && exit\n{command}\n'
    )
    script.chmod(0o755)
    return {"STEPLADDER_TERRAFORM": str(script)}


def _demo(run, tmp_path, **env):
    return run(*INVOKE, "demo", "--output", str(tmp_path / "demo"), **env)


@pytest.mark.terraform
@pytest.mark.timeout(1200)
def test_the_demo_tells_the_whole_story_in_plain_lines_and_leaves_nothing(run, tmp_path):
    demo = _demo(run, tmp_path)
    assert demo.wait(600) == 0, demo.said
    assert "\x1b" not in demo.said
    assert "\r" not in demo.said
    assert demo.left_behind() == []
    story = [
        "$ inv test",
        "3 passed",
        "$ inv local.up",
        "$ inv deploy --env staging",
        '200  {"message":"hello, Ada"}',
        "/hello/Ada\n" + '{"message":"hello, Ada"}',
        "is now",
        '200  {"message":"good day, Ada"}',
        "nothing to do, version 2 is live",
        "$ inv promote",
        "production was created and was never released: its first release goes live at once",
        "Cleaning up",
        "Done in",
    ]
    places = [demo.said.index(part) for part in story]
    assert places == sorted(places)
    assert "Try it yourself:" in demo.said


@pytest.mark.terraform
@pytest.mark.timeout(1200)
@pytest.mark.long("the README's commands are typed (test_readme.py)")
def test_what_the_demo_offers_can_be_typed(run, tmp_path):
    demo = _demo(run, tmp_path)
    assert demo.wait(600) == 0, demo.said
    offered = demo.said.partition("Try it yourself:")[2]
    shell = run("bash", "-c", f"set -e\n{offered}\ninv local.down", cwd=tmp_path, PATH="/usr/bin:/bin", **_terraform())
    assert shell.wait(400) == 0, shell.said
    assert "staging: version 1 is live" in shell.said
    assert shell.left_behind() == []


@pytest.mark.timing("Terraform must end in 30 s, and the moment to interrupt must be met")
@pytest.mark.terraform
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        pytest.param(
            signal.SIGINT, lambda c: "$ inv new" in c.said, id="Ctrl-C while the project is made", marks=IN_ITS_PLACE
        ),
        pytest.param(signal.SIGINT, lambda c: c.runs("localcloud"), id="Ctrl-C while the cloud starts"),
        pytest.param(
            signal.SIGINT, lambda c: c.runs("terraform plan"), id="Ctrl-C while Terraform plans", marks=IN_ITS_PLACE
        ),
        pytest.param(
            signal.SIGTERM,
            lambda c: c.runs("terraform apply"),
            id="SIGTERM while Terraform applies",
            marks=pytest.mark.long("a Terraform that only waits is ended; kills of real ones are in tests/terraform"),
        ),
        pytest.param(
            signal.SIGINT, lambda c: "smoke " in c.said, id="Ctrl-C while a release is made", marks=IN_ITS_PLACE
        ),
    ],
)
def test_an_interrupted_demo_ends_all_that_it_started(run, tmp_path, number, moment):
    ended(_demo(run, tmp_path), number, moment)


@pytest.mark.timing("Terraform must end in 30 s")
def test_a_demo_that_is_ended_while_terraform_is_at_work_ends_it_too(run, tmp_path):
    demo = _demo(run, tmp_path, **_scripted(tmp_path, "exec sleep 290"))
    # A process that was seen before its `exec` is known by its first command line.
    ended(demo, signal.SIGTERM, lambda c: c.runs("terraform init") or c.runs("sleep 290"))


def ended(demo, number, moment):
    """Interrupt a demo at a moment, and see it end with all that it started."""
    demo.until(moment)
    took = demo.interrupt(number)
    assert demo.child.returncode == 130, demo.said
    assert took < SECONDS
    assert demo.left_behind() == []
    assert "Traceback" not in demo.said
    assert "the demo was interrupted" in demo.said


def test_a_demo_that_fails_in_the_middle_cleans_up_and_says_what_failed(run, tmp_path):
    demo = _demo(run, tmp_path, **_scripted(tmp_path, "exit 1"))
    assert demo.wait() == 1
    assert "the demo stopped: `inv deploy --env staging` ended with exit code 1" in demo.said
    assert demo.runs("localcloud") is False
    assert any("localcloud" in line for _, line in demo.started.values())
    assert demo.left_behind() == []
    assert "Traceback" not in demo.said


def test_two_demos_don_t_share_a_folder(run, tmp_path):
    first = _demo(run, tmp_path)
    first.until(lambda c: "1. A project" in c.said)
    second = _demo(run, tmp_path)
    assert second.wait() == 7
    assert "another demo is at work" in second.said


def test_the_demo_doesn_t_empty_a_folder_that_it_didn_t_make(run, tmp_path):
    mine = tmp_path / "demo" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("precious")
    demo = _demo(run, tmp_path)
    assert demo.wait() == 2
    assert mine.read_text() == "precious"


def test_a_new_demo_ends_the_cloud_of_one_that_was_killed(run, tmp_path):
    killed = _demo(run, tmp_path)
    killed.until(lambda c: "ready at" in c.said)
    killed.child.send_signal(signal.SIGKILL)
    killed.wait()
    assert killed.runs("localcloud")
    fresh = _demo(run, tmp_path)
    fresh.until(lambda c: "$ inv new" in c.said)
    assert not killed.runs("localcloud")
