"""`inv ci.comment`: one comment from the reviews of all environments, and what a fork or a forge that refuses gets."""

from __future__ import annotations

import copy
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import forge_server
import pytest
import reviews as samples
from forge_server import ForgeServer

from stepladder.commands import ci_comment
from stepladder.core.console import Console
from stepladder.core.errors import NotReadyError
from stepladder.core.files import write_json
from stepladder.forge import registered
from stepladder.releases import review as reviews
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.load import Settings

RUN = "GitHub 1001"  # the forge server's jobs are of it


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = {name: EnvironmentSettings(name, "111122223333", "us-east-1") for name in samples.SHOP}
    settings = Settings(tmp_path, "orders", environments=made)
    for each in samples.SHOP.values():
        reviews.write(settings, replace(each, commit="", run=RUN))
    return settings


def run(settings: Settings, *, as_json: bool = False) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    ci_comment.comment(settings, Console(out=out, err=err, live=False, as_json=as_json), registered.current())
    return out.getvalue(), err.getvalue()


def job(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI_"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_one_comment_shows_every_environment_and_is_edited_by_the_next_run(
    name: str, forge: ForgeServer, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job(monkeypatch, forge.github(pull_request=7) if name == "github" else forge.gitlab(merge_request=7))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    _, shown = run(settings)
    assert "the comment is created" in shown
    reviews.path(settings, "staging").unlink()
    _, shown = run(settings)
    assert "the comment is updated" in shown
    (text,) = forge.comments
    assert "**production would lose**" in text
    assert "**staging was not planned**" in text
    assert (settings.build_dir / "review" / "comment.md").read_text("utf-8") in text
    if name == "github":
        assert (tmp_path / "summary").read_text("utf-8").count("### stepladder") == 2


def test_a_fork_gets_a_notice_and_a_summary_and_no_comment_is_tried(
    forge: ForgeServer, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"pull_request": {"number": 7, "head": {"repo": {"full_name": "mallory/orders"}}}}', "utf-8")
    job(monkeypatch, forge.github() | {"GITHUB_EVENT_PATH": str(event)})
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    _, shown = run(settings)
    assert "::notice::the change comes from a fork" in shown.splitlines()[0]
    assert "no comment: the change comes from a fork" in shown
    assert "nothing was planned" in (tmp_path / "summary").read_text("utf-8")
    assert not forge.calls


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 403, "message": "Resource not accessible by integration"}, "pull-requests: write"),
        ({"status": 429, "headers": {"Retry-After": "900"}}, "limits the rate"),
        ({"status": 0}, "can't be reached"),
        ({"status": 500}, "500"),
    ],
    ids=["a token that may only read", "a limit", "a connection that is cut", "an error"],
)
def test_a_forge_that_refuses_is_a_warning_and_the_pipeline_goes_on(
    fault: dict[str, object], words: str, forge: ForgeServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(monkeypatch, forge.github(pull_request=7))
    forge.fail(**fault)
    _, shown = run(settings)
    (warning,) = [line for line in shown.splitlines() if line.startswith("warning:")]
    assert words in warning
    assert forge_server.TOKEN not in shown


def test_on_a_laptop_the_comment_is_printed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job(monkeypatch, {})
    out, _ = run(settings)
    assert out.startswith("### stepladder: **2 resources would be destroyed or replaced**")


def test_json_says_what_each_environment_would_lose(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job(monkeypatch, {})
    reviews.path(settings, "sandbox").write_text('{"schema": 99, "environment": "sandbox"}', "utf-8")
    out, _ = run(settings, as_json=True)
    value = json.loads(out)
    assert value["comment"]["problem"] == "this job runs for no change request"
    assert value["environments"]["production"]["refused"] == ["aws_dynamodb_table.orders"]
    assert value["environments"]["production"]["release"]
    assert "can't be read" in value["environments"]["sandbox"]["why"]


@pytest.mark.parametrize("raw", [[], {}, {"schema": 1}, {"schema": 1, "environment": "staging", "roots": 3}], ids=str)
def test_a_review_that_is_none_is_shown_as_failed(
    raw: object, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(monkeypatch, {})
    write_json(reviews.path(settings, "staging"), raw)
    out, _ = run(settings)
    assert "**staging: the plan failed**" in out


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def replaced(value: Any, path: tuple[str | int, ...], by: object) -> Any:
    if not path:
        return by
    made = copy.copy(value)
    made[path[0]] = replaced(value[path[0]], path[1:], by)
    return made


@pytest.mark.parametrize("by", [None, 5, "unknown", [], [5], {"a": 1}, True], ids=str)
def test_a_review_with_a_wrong_value_anywhere_stops_no_comment(
    by: object, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(monkeypatch, {})
    file = reviews.path(settings, "production")
    whole = json.loads(file.read_text("utf-8"))
    for path in places(whole):
        file.write_text(json.dumps(replaced(whole, path, by)), "utf-8")
        out, _ = run(settings)
        assert out.startswith("### stepladder")


@pytest.mark.parametrize(
    "content",
    [b"", b"[" * 100_000, bytes(range(256)), b'{"schema": NaN}', '{"schema": 1}'.encode("utf-16")],
    ids=["empty", "deep", "binary", "no number", "UTF-16"],
)
def test_a_review_that_is_no_json_is_shown_as_failed(
    content: bytes, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(monkeypatch, {})
    reviews.path(settings, "staging").write_bytes(content)
    out, _ = run(settings)
    assert "**staging: the plan failed**" in out


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to nothing", "link to itself"])
def test_what_is_no_file_is_no_review_and_is_not_waited_for(
    kind: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(monkeypatch, {})
    file = reviews.path(settings, "staging")
    file.unlink()
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to({"device": "/dev/zero", "link to itself": file}.get(kind, "nothing"))
    out, _ = run(settings)
    assert "**staging: the plan failed**" in out


def test_a_review_of_a_newer_version_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job(monkeypatch, {})
    reviews.path(settings, "staging").write_text('{"schema": 2, "environment": "staging", "trees": []}', "utf-8")
    out, _ = run(settings)
    assert "review/staging.json can't be read: it has schema 2, and this version reads 1" in out


def test_what_another_run_left_is_no_review(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job(monkeypatch, {"GITHUB_RUN_ID": "2"})
    for name, run_id in (("staging", "GitHub 1"), ("production", "GitHub 2")):
        reviews.write(settings, replace(samples.SHOP[name], commit="", run=run_id))
    out, _ = run(settings)
    assert "**staging was not planned**" in out
    assert "**production would lose**" in out


def test_reviews_are_read_as_they_were_written(settings: Settings) -> None:
    for name, made in {**samples.SHOP, **samples.HOSTILE}.items():
        reviews.write(settings, made)
        assert asdict(reviews.read(settings, name)) == asdict(made)


@pytest.mark.parametrize("kind", ["a folder in place of the file", "a file in place of the folder", "no git"])
def test_what_a_job_can_t_write_or_ask_stops_no_comment(
    kind: str, forge: ForgeServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(monkeypatch, forge.github(pull_request=7))
    folder = settings.build_dir / "review"
    if kind == "a folder in place of the file":
        (folder / "comment.md").mkdir()
    elif kind == "a file in place of the folder":
        shutil.rmtree(folder)
        folder.write_text("", "utf-8")
    else:

        def refuse(*_: object) -> None:
            raise NotReadyError("git refuses to read the repository")

        monkeypatch.setattr(ci_comment.git, "commit", refuse)
    _, shown = run(settings)
    assert "the comment is created" in shown
    assert "warning: the comment names no commit" in shown if kind == "no git" else "can't be written" in shown
