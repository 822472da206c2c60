"""What forges show, by their real clients on a server that speaks their APIs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import forge_server
import pytest
from forge_server import REPOSITORY, ForgeServer

from stepladder.forge import api, github, gitlab, sticky
from stepladder.forge.interface import Annotation, Forge

FORGES: Mapping[str, Forge] = {"github": github.FORGE, "gitlab": gitlab.FORGE}
MARKER = "stepladder:plan"
BOTS = {"github": forge_server.BOTS[forge_server.TOKEN], "gitlab": forge_server.BOTS[forge_server.PROJECT_TOKEN]}
OURS = ("GITHUB_", "GITLAB_", "CI_")


@pytest.fixture(params=FORGES)
def name(request: pytest.FixtureRequest, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for variable in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(variable)
    made = forge.github(pull_request=7) if request.param == "github" else forge.gitlab(merge_request=7)
    for variable, value in made.items():
        monkeypatch.setenv(variable, value)
    return request.param


def comment(name: str, text: str = "12 to add", marker: str = MARKER):
    return FORGES[name].comment(text, marker)


def test_a_comment_is_made_once_and_edited_from_then_on(name: str, forge: ForgeServer) -> None:
    assert comment(name, "one").how == "created"
    again = comment(name, "two")
    assert (again.how, forge.comments) == ("updated", [f"<!-- {MARKER} -->\ntwo"])
    assert REPOSITORY in again.url


TOKENS = {"github": "GITHUB_TOKEN", "gitlab": "GITLAB_TOKEN"}


def test_a_token_that_was_pasted_with_a_line_break_works(
    name: str, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKENS[name], f" {os.environ[TOKENS[name]]}\n")
    assert comment(name).how == "created"
    assert len(forge.comments) == 1


@pytest.mark.parametrize("between", ["\n", "\t", "\x1b", "\u200b", "\u2028"], ids=ascii)
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(
    name: str, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    monkeypatch.setenv(TOKENS[name], f"first-half{between}second-half")
    posted = comment(name)
    assert "holds characters that no token has" in posted.problem
    assert "half" not in posted.problem
    assert not forge.calls


def test_a_comment_that_says_the_same_is_left_alone(name: str, forge: ForgeServer) -> None:
    comment(name)
    forge.entries[0].body = forge.entries[0].body.replace("\n", "\r\n")  # as forges give it back
    forge.calls.clear()
    assert (comment(name).how, forge.writes) == ("unchanged", [])


def test_comments_of_other_markers_and_other_people_stay(name: str, forge: ForgeServer) -> None:
    stranger = forge.add(f"<!-- {MARKER} -->\nI can write that too", author=forge_server.SOMEBODY)
    quoting = forge.add(f"look at this:\n<!-- {MARKER} -->", author=BOTS[name])
    other = forge.add("<!-- stepladder:planned -->\nmine", author=BOTS[name])
    assert comment(name).how == "created"
    assert [stranger, quoting, other] == forge.entries[:3]
    assert len(forge.comments) == 4


def test_our_comment_is_the_one_on_the_last_page(name: str, forge: ForgeServer) -> None:
    for number in range(203):
        forge.add(f"comment {number}", author=forge_server.SOMEBODY)
    forge.add(f"<!-- {MARKER} -->\nold", author=BOTS[name])
    assert comment(name, "new").how == "updated"
    assert (len(forge.comments), forge.comments[-1]) == (204, f"<!-- {MARKER} -->\nnew")


def test_what_two_jobs_made_side_by_side_becomes_one_again(name: str, forge: ForgeServer) -> None:
    for text in ("first", "second", "third"):
        forge.add(f"<!-- {MARKER} -->\n{text}", author=BOTS[name])
    assert comment(name, "now").how == "updated"
    assert forge.comments == [f"<!-- {MARKER} -->\nnow"]


def test_an_answer_that_got_lost_makes_no_second_comment(name: str, forge: ForgeServer) -> None:
    forge.fail(0, method="POST", times=1, after=True)
    assert comment(name, "now").done
    assert forge.comments == [f"<!-- {MARKER} -->\nnow"]


def test_a_comment_keeps_to_the_forges_limit(name: str, forge: ForgeServer) -> None:
    limit = FORGES[name].comment_limit
    assert comment(name, "x" * (limit + 10)).done
    assert len(forge.comments[0]) == limit


@pytest.mark.parametrize(
    ("status", "message", "waits"),
    [(500, "oops", 3), (502, "", 3), (503, "", 3), (429, "slow down", 0), (403, "", 0), (401, "", 0), (422, "", 0)],
    ids=str,
)
def test_a_refusal_is_one_line_without_the_token(
    name: str, forge: ForgeServer, status: int, message: str, waits: int
) -> None:
    leak = f"{message}\n{forge_server.TOKEN} {forge_server.PROJECT_TOKEN}\n" * 40
    forge.fail(status, message=leak)
    posted = comment(name)
    assert not posted.done
    assert str(status) in posted.problem or "limits the rate" in posted.problem
    assert len(posted.problem.splitlines()) == 1
    assert len(posted.problem) <= 200
    assert {forge_server.TOKEN: "github", forge_server.PROJECT_TOKEN: "gitlab"}[forge.tokens[0]] == name
    assert forge.tokens[0] not in posted.problem
    assert len(forge.waits) == waits


def test_a_limit_that_is_over_soon_is_waited_for(name: str, forge: ForgeServer) -> None:
    forge.fail(429, times=1, headers={"Retry-After": "7"})
    forge.fail(403, times=1, headers={"Retry-After": "3"}, message="You have exceeded a secondary rate limit")
    assert (comment(name).how, forge.waits) == ("created", [7, 3])


def test_a_limit_that_lasts_ends_at_once(name: str, forge: ForgeServer) -> None:
    reset = str(int(time.time()) + 1800)
    forge.fail(
        403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, message="API rate limit exceeded"
    )
    posted = comment(name)
    assert (posted.done, forge.waits) == (False, [])
    assert "limits the rate of calls" in posted.problem


def test_an_answer_that_drips_is_given_up(name: str, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "DEADLINE", -0.8)
    forge.fail(200, delay=5.0, times=1)
    began = time.monotonic()
    posted = comment(name)
    assert "was too slow" in posted.problem
    assert time.monotonic() - began < 4


def test_a_redirect_on_the_same_host_is_followed_and_one_to_another_gets_no_token(
    name: str, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge.fail(307, method="POST", times=1, headers={"Location": "/elsewhere"})
    assert "404" in comment(name).problem
    with forge_server.serving() as other:
        forge.fail(307, times=1, headers={"Location": f"{other.url}/user"})
        assert "gets no token" in comment(name).problem
        assert not other.calls
    variable = "GITHUB_API_URL" if name == "github" else "CI_API_V4_URL"
    monkeypatch.setenv(variable, "http://forge.example.org")
    assert "only HTTPS does" in comment(name).problem


@pytest.mark.parametrize("answer", ['"text"', "[1, null]", "{}", "<html>", '[{"user": 3, "author": 3}]', "null"])
def test_an_answer_of_another_shape_raises_nothing(name: str, forge: ForgeServer, answer: str) -> None:
    forge.fail(200, raw=answer)
    posted = comment(name)
    assert not posted.done
    assert len(posted.problem.splitlines()) == 1


def test_a_server_that_is_not_there_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch, forge: ForgeServer) -> None:
    variable = "GITHUB_API_URL" if name == "github" else "CI_API_V4_URL"
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert "can't be reached" in comment(name).problem


def test_without_a_token_or_a_change_request_nothing_is_called(
    name: str, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "GITHUB_TOKEN" if name == "github" else "GITLAB_TOKEN"
    monkeypatch.delenv(variable)
    assert variable in comment(name).problem
    monkeypatch.delenv("GITHUB_REF" if name == "github" else "CI_MERGE_REQUEST_IID")
    assert "for no " in comment(name).problem
    assert not forge.calls


def test_an_issue_is_opened_updated_closed_and_opened_again(name: str, forge: ForgeServer) -> None:
    own = FORGES[name]
    assert own.close_issue("all is clean", "stepladder:drift").how == "unchanged"
    assert own.issue("Drift", "one change", "stepladder:drift").how == "created"
    assert own.issue("Drift in production", "two changes", "stepladder:drift").how == "updated"
    assert own.issue("Drift in production", "two changes", "stepladder:drift").how == "unchanged"
    (issue,) = forge.issues
    assert (issue.title, issue.body, issue.state) == (
        "Drift in production",
        "<!-- stepladder:drift -->\ntwo changes",
        "open",
    )
    assert own.close_issue("all is clean", "stepladder:drift").how == "closed"
    assert (issue.state, forge.entries[-1].body, forge.entries[-1].on) == ("closed", "all is clean", issue.id)
    assert own.issue("Drift", "again", "stepladder:drift").how == "created"
    assert [each.state for each in forge.issues] == ["closed", "open"]


def test_a_second_issue_of_ours_is_closed(name: str, forge: ForgeServer) -> None:
    for text in ("first", "second"):
        forge.add(f"<!-- stepladder:drift -->\n{text}", author=BOTS[name], on=0, kind="issue", title="Drift")
    forge.add("<!-- stepladder:drift -->\n", author=forge_server.SOMEBODY, on=0, kind="issue", title="Mine")
    assert FORGES[name].issue("Drift", "now", "stepladder:drift").how == "updated"
    assert [issue.state for issue in forge.issues] == ["open", "closed", "open"]


def test_a_persons_token_finds_its_own_comments(forge: ForgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in forge.github(pull_request=7).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("GITHUB_TOKEN", "github_pat_1")
    monkeypatch.setitem(forge_server.BOTS, "github_pat_1", "jo")
    forge.add(f"<!-- {MARKER} -->\nthe workflow's own")
    mine = forge.add(f"<!-- {MARKER} -->\nold", author="jo")
    assert (comment("github", "new").how, mine.body) == ("updated", f"<!-- {MARKER} -->\nnew")


@pytest.mark.parametrize(
    ("head", "fork"),
    [
        ({"repo": {"full_name": "Acme/Orders"}}, False),
        ({"repo": {"full_name": "mallory/orders"}}, True),
        ({"repo": None}, True),
        ({}, False),
    ],
    ids=["the same repository", "a fork", "a fork that was deleted", "an event that says nothing"],
)
def test_github_says_whether_the_branch_is_in_a_fork(
    head: Mapping[str, object], fork: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 12, "head": head}}), "utf-8")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    assert (github.FORGE.is_fork(), github.FORGE.change_request()) == (fork, "12")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"pull_request": 3}', '{"pull_request": {"head": [], "number": "x"}}']
)
def test_an_event_that_is_none_is_no_pull_request(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event = tmp_path / "event.json"
    event.write_text(text, "utf-8")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_REF", "refs/heads/main")
    assert (github.FORGE.is_fork(), github.FORGE.change_request()) == (False, "")


def test_gitlab_says_whether_the_branch_is_in_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_MERGE_REQUEST_PROJECT_ID", "42")
    for source, fork in (("42", False), ("77", True), ("", False)):
        monkeypatch.setenv("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", source)
        assert gitlab.FORGE.is_fork() is fork


def test_an_annotation_of_github_escapes_what_the_runner_would_obey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    line = github.FORGE.annotation("100%\n::add-mask::x", path="app/a,b:c.py", line=3)
    assert line == "::error file=app/a%2Cb%3Ac.py,line=3::100%25%0A::add-mask::x"
    assert github.FORGE.annotation("no place", level="notice") == "::notice::no place"
    (tmp_path / "orders").mkdir()
    monkeypatch.chdir(tmp_path / "orders")
    assert github.FORGE.annotate([Annotation("x", "warning", "app/a.py")]) == ("::warning file=orders/app/a.py::x",)


def test_annotations_of_gitlab_are_a_code_quality_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shown = [Annotation("unused import", "error", "app/a.py", 3), Annotation("no place", "warning")]
    assert gitlab.FORGE.annotate(shown) == ()
    report = json.loads((tmp_path / gitlab.QUALITY).read_text("utf-8"))
    assert [(r["description"], r["severity"], r["location"]) for r in report] == [
        ("unused import", "major", {"path": "app/a.py", "lines": {"begin": 3}}),
        ("no place", "minor", {"path": "invoke.yaml", "lines": {"begin": 1}}),
    ]
    assert len({r["fingerprint"] for r in report}) == 2


def test_outputs_of_github_hold_any_value_and_set_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    values = {"version": "13", "url": "one\nurl=evil\nEOF", "digest": "sha256:ab=c"}
    assert github.FORGE.outputs(values)
    assert _github_outputs(file.read_text("utf-8")) == values


def test_outputs_of_gitlab_are_lines_of_a_dotenv_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path))
    assert gitlab.FORGE.outputs({"version": "12", "url": "a\nB=evil"})
    assert gitlab.FORGE.outputs({"version": "13"})
    assert (tmp_path / gitlab.OUTPUTS).read_text("utf-8") == "STEPLADDER_URL=a B=evil\nSTEPLADDER_VERSION=13\n"
    assert not gitlab.FORGE.outputs({"url": "x" * 6000})


def test_a_summary_of_github_is_added_to_and_stays_within_what_github_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    assert github.FORGE.summary("# Staging")
    assert github.FORGE.summary("ä" * 1024 * 1024)
    text = file.read_text("utf-8")
    assert text.startswith("# Staging\nä")
    assert 1024 * 1024 - 2 <= file.stat().st_size <= 1024 * 1024


def test_a_file_that_cannot_be_written_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.setenv(variable, str(tmp_path / "none" / "file"))
    (tmp_path / "plain").write_text("", "utf-8")
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path / "plain"))
    assert not github.FORGE.summary("x")
    assert not github.FORGE.outputs({"a": "b"})
    assert not gitlab.FORGE.outputs({"a": "b"})
    assert gitlab.FORGE.annotate([]) == ()


def _github_outputs(text: str) -> dict[str, str]:
    """Read a file of outputs as the runner does: `name<<delimiter`, the value, the delimiter."""
    values, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value: list[str] = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        values[name] = "\n".join(value)
    return values


def preview(name: str, text: str = "**preview** at https://x/", number: str = "7"):
    return FORGES[name].section(number, text, MARKER, "preview")


def test_a_section_stands_in_the_one_comment_and_outlives_its_text(name: str, forge: ForgeServer) -> None:
    comment(name, "one")
    assert preview(name).how == "updated"
    assert comment(name, "two").how == "updated"
    (body,) = forge.comments
    assert body.startswith(f"<!-- {MARKER} -->\ntwo\n")
    assert body.count("**preview** at https://x/") == 1
    assert (comment(name, "two").how, preview(name).how) == ("unchanged", "unchanged")
    preview(name, "~~preview~~ destroyed")
    assert (len(forge.comments), "https://x/" in forge.comments[0]) == (1, False)
    assert forge.comments[0].startswith(f"<!-- {MARKER} -->\ntwo\n")
    preview(name, "")
    assert forge.comments == [f"<!-- {MARKER} -->\ntwo"]


def test_a_section_that_comes_first_makes_the_comment_that_the_text_then_goes_into(
    name: str, forge: ForgeServer
) -> None:
    assert preview(name).how == "created"
    assert comment(name, "one").how == "updated"
    (body,) = forge.comments
    assert body.startswith(f"<!-- {MARKER} -->\none\n")
    assert "**preview** at https://x/" in body
    assert preview(name, "", number="8").how == "unchanged"


def test_a_comment_with_a_section_is_as_long_as_a_forge_takes(name: str, forge: ForgeServer) -> None:
    preview(name)
    assert comment(name, "x" * FORGES[name].comment_limit).done
    assert len(forge.comments[0]) <= FORGES[name].comment_limit
    assert "**preview** at https://x/" in forge.comments[0]


def test_no_section_keeps_the_text_from_being_written(name: str, forge: ForgeServer) -> None:
    limit = FORGES[name].comment_limit
    assert preview(name, "x" * limit).how == "created"
    assert comment(name, "one").done
    assert forge.comments[0].startswith(f"<!-- {MARKER} -->\none\n")
    forge.entries[
        0
    ].body = f"{forge.comments[0]}\n\n<!-- stepladder-section:b -->\n{'y' * limit}\n<!-- /stepladder-section:b -->"
    assert comment(name, "two").done
    assert forge.comments == [f"<!-- {MARKER} -->\ntwo"]
    assert preview(name).done


def test_a_section_that_another_job_overwrites_is_written_again(
    name: str, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    comment(name, "one")
    lost = []

    def other_job(items: sticky.Items, marker: str) -> list[sticky.Item]:
        own = found(items, marker)
        if not lost and "preview" in own[0].body:
            lost.append(own[0].id)
            forge.entries[0].body = f"<!-- {MARKER} -->\nby another job"
            own = found(items, marker)
        return own

    found = sticky.with_marker
    monkeypatch.setattr(sticky, "with_marker", other_job)
    assert preview(name).how == "updated"
    assert lost
    assert "by another job" in forge.comments[0]
    assert "**preview** at https://x/" in forge.comments[0]


@pytest.mark.parametrize(
    ("state", "closed"),
    [("open", False), ("opened", False), ("closed", True), ("merged", True), ("", None), ("odd", None)],
)
def test_a_forge_says_whether_a_change_is_closed(
    name: str, forge: ForgeServer, state: str, closed: bool | None
) -> None:
    forge.changes[7] = state
    known = {"github": {"open", "closed"}, "gitlab": {"opened", "closed", "merged"}}[name]
    assert FORGES[name].is_closed("7") is (closed if state in known else None)


def test_without_a_token_nobody_knows_whether_a_change_is_closed(
    name: str, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge.changes[7] = "closed"
    monkeypatch.delenv(TOKENS[name])
    assert FORGES[name].is_closed("7") is None
    assert preview(name).problem


@pytest.mark.parametrize("status", [0, 403, 500])
def test_a_forge_that_fails_says_nothing_of_a_change(
    name: str, forge: ForgeServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "sleep", lambda _: None)
    forge.changes[7] = "closed"
    forge.fail(status)
    assert FORGES[name].is_closed("7") is None
