"""The page of `inv report`, from real promotions that were recorded and from facts that nobody should meet."""

import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import reported
from fakes.deploy_harness import DeployHarness

from stepladder.commands.report import report
from stepladder.core import git
from stepladder.core.errors import BadInputError, NotReadyError
from stepladder.core.retry import RegistryError
from stepladder.images.comparison import ContentsDiff, PackageChange
from stepladder.images.contents import ImageLayer
from stepladder.ledger.schema import ReleaseEntry
from stepladder.promotion.executions import StateMachine
from stepladder.report import causes, charts, extras, minutes, page, path_graph
from stepladder.report.cleaned import cleaned
from stepladder.report.page import PageFacts
from stepladder.report.story import (
    Exceptional,
    MinuteOfVersion,
    Story,
    TargetPhase,
    TargetStory,
    Visit,
    Weight,
)

NASTY = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{ 7*7 }}\u202e"
SECRET = "password=correct-horse-battery"


class Reader(html.parser.HTMLParser):
    """The elements of a page with their attributes, its text, and its headings by level."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.headings, self.text, self._open = [], [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        if self._open != "style":
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """Return a function that writes the page of a recorded promotion: its text and the command's record."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    def run(name, **options):
        with reported.played(name, tmp_path) as (machine, _):
            record = report(machine, **options)
        return Path(record["file"]).read_text("utf-8"), record

    return run


def story(*targets, **facts):
    known = {
        "release_id": "20261126T100000Z-aaaaaa",
        "name": "production-c0ffee-1",
        "kind": "promote",
        "end": "rolled_back",
        "rungs": (tuple(target.key for target in targets),),
        "targets": targets,
        "began": 1_800_000_000.0,
        "ended": 1_800_000_600.0,
    }
    return Story(**{**known, **facts})


def target(key="production", **facts):
    known = {"function": f"hello-{key}", "rung": "production", "result": "rolled_back", "digest": "sha256:" + "ab" * 32}
    known |= {"began": 1_800_000_000.0, "ended": 1_800_000_500.0, "version": "3", "previous_version": "2"}
    known["phases"] = (TargetPhase("validating", 1_800_000_000.0, 20), TargetPhase("rolled back", 1_800_000_020.0, 480))
    return TargetStory(key=key, **{**known, **facts})


def page_of(made):
    return page.html(made, PageFacts(causes.diagnose(made), made_at=1_800_000_700.0))


@pytest.mark.parametrize("name", reported.NAMES)
def test_a_page_stands_by_itself_and_its_parts_are_marked_for_those_who_do_not_see_it(name, reports):
    text, record = reports(name)
    read = Reader(text)
    assert record["size"] == len(text.encode()) < 120_000
    assert not read.all("script") + read.all("link") + read.all("img") + read.all("iframe")
    assert "url(" not in text
    assert {"html", "header", "nav", "main", "footer", "h1"} <= {tag for tag, _ in read.elements}
    assert read.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(read.headings, read.headings[1:], strict=False))
    for drawing in read.all("svg"):
        assert drawing.get("aria-label") or drawing.get("aria-hidden") == "true"
    assert len(read.all("table")) == len(read.all("caption"))
    ids = [attrs["id"] for _, attrs in read.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for anchor in read.all("a"):
        assert anchor["href"].startswith("https://") or anchor["href"][1:] in ids


def test_what_an_image_changes_is_shown_with_sizes_layers_and_packages_and_why_it_is_not_known():
    changed = ContentsDiff(
        f"sha256:{'a' * 64}",
        f"sha256:{'b' * 64}",
        3_000_000,
        5_000_000,
        (ImageLayer("sha256:1", 2_000_000),),
        packages=(PackageChange("requests", "2.31.0", "2.32.0"), PackageChange(NASTY, "", "1.0")),
    )
    gone = ContentsDiff("sha256:c", "sha256:d", layers_unknown="c", packages_unknown=f"c is gone, {SECRET}")
    same = replace(changed, before=f"sha256:{'e' * 64}", packages=())
    targets = [
        target(f"env{n}", digest="sha256:b", contents=each) for n, each in enumerate((changed, changed, gone, same))
    ]
    text = page_of(story(*targets))
    read = Reader(text)
    assert f"{'a' * 12} → {'b' * 12}" in read.text
    assert read.text.count("Size of all layers: 3.0 MB → 5.0 MB. Layers: 1 new, 0 gone.") == 2
    assert re.search(r"requests\s*2\.31\.0\s*2\.32\.0", read.text)
    assert "The packages that differ are not known: c is gone" in read.text
    assert "No Python package differs." in read.text
    assert SECRET not in text
    assert not read.all("script")


def test_an_image_is_compared_with_the_one_that_the_version_before_had(reports, monkeypatch):
    pairs = []

    def compared(_own, before, _other, after, _cache):
        pairs.append((before, after))
        return ContentsDiff(before, after, 1_000_000, 2_000_000, packages=(PackageChange("requests", "1", "2"),))

    monkeypatch.setattr(extras.ecr, "connect", lambda *_: None)
    monkeypatch.setattr(extras.comparison, "compared", compared)
    text, record = reports("alarm")
    ((before, after),) = pairs
    assert before != after
    assert f"{before[7:19]} → {after[7:19]}" in text
    assert not any("what image" in line for line in record["unknown"])


def test_a_registry_that_fails_leaves_the_packages_unknown_and_the_page_is_written(reports, monkeypatch):
    def compared(*_):
        raise RegistryError("the registry has no repository orders", status=404)

    monkeypatch.setattr(extras.ecr, "connect", lambda *_: None)
    monkeypatch.setattr(extras.comparison, "compared", compared)
    text, _ = reports("alarm")
    assert "The packages that differ are not known: the registry has no repository orders." in text


def test_a_registry_that_may_not_be_read_leaves_the_packages_unknown(reports):
    _, record = reports("alarm")
    assert [line for line in record["unknown"] if line.startswith("what image")]


def test_a_rolled_back_canary_shows_ladder_path_time_line_traffic_images_and_promises(reports):
    text, _ = reports("alarm")
    read = Reader(text)
    for part in (
        "Cause",
        "Ladder",
        "Time line",
        "Traffic",
        "Path through the state machine",
        "Smoke cases",
        "Promises",
    ):
        assert f">{part}</h2>" in text
    assert "version 3 raised KeyError: 'coffee' at app.py:10" in read.text
    labels = " ".join(str(drawing.get("aria-label")) for drawing in read.all("svg"))
    assert "Weight of the new version of production. version 3 (new): 0% at first, 10% at most, 0% at last" in labels
    assert "Errors in 100 requests of production" in labels
    assert "Failed or turned in: " in labels
    assert "violated" not in read.text
    assert "9. " in read.text


def test_a_promotion_that_went_well_has_no_cause_and_ends_with_all_traffic(reports):
    text, record = reports("promoted")
    assert record["end"] == "promoted"
    assert 'id="cause"' not in text
    labels = " ".join(str(drawing.get("aria-label")) for drawing in Reader(text).all("svg"))
    assert "100% at most, 100% at last" in labels


def test_a_smoke_case_that_failed_is_listed_with_its_reason_and_the_secret_is_hidden(reports):
    text, _ = reports("smoke")
    assert "error: expected none, got RuntimeError: no &lt;script&gt;" in text
    assert "hunter2" not in text
    assert "<script" not in text


def test_a_shift_by_widths_is_drawn_width_by_width(reports):
    text, _ = reports("widths")
    assert "25% at most" in text


def test_whatever_others_wrote_is_escaped_and_loses_its_secrets():
    entry = ReleaseEntry(
        "20261126T100000Z-aaaaaa",
        "production",
        "promote",
        "3",
        "2",
        "sha256:" + "ab" * 32,
        NASTY,
        NASTY,
        "rolled_back",
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:10:00Z",
        cause=f"{NASTY} {SECRET}",
        detail=f"{NASTY}\n{SECRET}",
    )
    failed = target(
        key=f"production-{NASTY}",
        cause=f"version 3 of x failed 1 of 1 smoke cases: {NASTY}: {SECRET}",
        entry=entry,
        exception=Exceptional(f"{NASTY} {SECRET}", (NASTY,), 1.0, NASTY, NASTY, "javascript:alert(1)"),
        cases=(NASTY,),
        links={"log": "javascript:alert(1)"},
    )
    made = story(
        failed,
        requested_by=NASTY,
        git_commit=NASTY,
        remarks=(NASTY, SECRET),
        unknown=(NASTY, SECRET),
        visits=(Visit(NASTY, (), "", 1.0, 2.0, NASTY, NASTY),),
        links={"execution": "javascript:alert(1)"},
    )
    text = page.html(made, PageFacts(causes.diagnose(cleaned(made)), (), NASTY, NASTY, 1.0))
    read = Reader(text)
    assert not read.all("script") + read.all("img")
    assert not [name for _, attrs in read.elements for name in attrs if name.startswith("on")]
    assert "javascript:" not in text
    assert "correct-horse" not in text
    assert "{{ 7*7 }}" in read.text, "a text is no template"
    assert "\u202e" not in text


def test_a_hundred_targets_stay_readable_and_small():
    good = [
        target(
            f"production-f{number}",
            result="rolled_back" if number else "failed",
            cause="SiblingFailed" if number else "no",
            weights=(Weight(1_800_000_100.0, 0.1),),
            minutes={"3": tuple(MinuteOfVersion(1_800_000_000.0 + 60 * m, 10, 0, 5.0) for m in range(10))},
        )
        for number in range(100)
    ]
    text = page_of(story(*good))
    assert len(text.encode()) < 250_000
    read = Reader(text)
    assert "88 more targets" in read.text
    assert "restored, because another target failed" in read.text
    assert text.index("production-f0") < text.index("production-f1"), "what failed comes first"
    assert text.count('class="lane"') <= 12


def test_one_that_runs_is_shown_as_far_as_it_is_and_says_so():
    running = target(result="running", ended=0.0, version="", phases=(TargetPhase("validating", 1_800_000_000.0, 20),))
    text = page_of(story(running, end="running", ended=0.0, visits=(Visit("Validate", (), "production", 1.0),)))
    assert "This promotion has not ended." in text
    assert "It is in <code>Validate</code>." in text
    assert "inv promote.watch --name production-c0ffee-1" in text


def test_a_release_of_an_older_ledger_has_a_page_without_what_it_lacks():
    entry = ReleaseEntry("20250101T000000Z-aaaaaa", "staging", "deploy", "", "", "", "", "", "failed", "", "")
    bare = TargetStory("staging", "hello-staging", "staging", "failed", entry=entry)
    text = page_of(Story("20250101T000000Z-aaaaaa", "", "deploy", "failed", (("staging",),), (bare,)))
    assert "Nothing that could be read says why it failed." in text
    assert "<h1>Deploy 20250101T000000Z-aaaaaa</h1>" in text


def test_traffic_without_metrics_is_drawn_by_its_weights_alone():
    assert str(charts.of(replace(target(), weights=(Weight(1.0, 0.1), Weight(301.0, 1.0))))).count("<figure") == 1
    assert charts.of(target()) == ""


def test_of_metrics_that_were_not_read_no_count_is_given():
    moved = replace(target(), weights=(Weight(1_800_000_100.0, 0.1),))
    text = page_of(story(moved))
    assert "Its requests and errors were not read." in text
    assert "Requests of each version" not in text
    text = page_of(story(replace(moved, minutes={"3": (), "2": ()})))
    assert "Requests of each version" in text, "CloudWatch has no points of a version that nobody called"


class Metrics:
    """CloudWatch, which has nothing, and the periods that were asked for."""

    def __init__(self):
        self.periods = set()

    def get_metric_data(self, **request):
        self.periods |= {query["MetricStat"]["Period"] for query in request["MetricDataQueries"]}
        return {"MetricDataResults": []}


@pytest.mark.parametrize(("days", "period"), [(0, 60), (16, 300), (100, 3600)])
def test_metrics_are_read_by_a_period_that_cloudwatch_still_keeps(tmp_path, days, period):
    harness, metrics = DeployHarness(tmp_path), Metrics()
    harness.aws.clients["cloudwatch"] = metrics
    harness.time.seconds = 1_800_000_600.0 + days * 86400
    moved = target("staging", weights=(Weight(1_800_000_100.0, 0.1),))
    minutes.with_minutes(StateMachine(harness.rung()), story(moved))
    assert metrics.periods == {period}


def test_a_state_of_an_older_definition_is_drawn_below_those_of_todays():
    (drawn,) = path_graph.of(story(target(), visits=(Visit("Whatever", (), "", 1.0, 2.0),)))
    assert "Whatever" in drawn[2]


def test_smoke_cases_of_another_version_are_noted_and_the_page_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    def newer(recorded):
        for key in [key for key in recorded["calls"] if "s3.get_object" in key and "smoke" in key]:
            recorded["calls"][key] = {"answer": {"Body": {"a body": json.dumps({"a.json": '{"shape": "of later"}'})}}}

    with reported.played("smoke", tmp_path, change=newer) as (machine, _):
        record = report(machine)
    assert any(line.startswith("the smoke cases of ") and "unknown format" in line for line in record["unknown"])
    assert Path(record["file"]).exists()


def test_where_git_refuses_to_read_the_repository_there_is_no_title_and_no_failure(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise NotReadyError("the repository is another user's")

    monkeypatch.setattr(git, "ask", refuse)
    monkeypatch.setattr(git, "is_repository", lambda _: True)
    assert extras.commit_title(StateMachine(DeployHarness(tmp_path).rung()), "ab" * 20) == ""


def test_clocks_that_differ_make_no_time_below_nothing():
    text = page_of(story(target(began=1_800_000_500.0, ended=1_800_000_000.0), began=1_800_000_500.0, ended=1.0))
    assert not re.search(r"-\d+ (s|min|h)\b", Reader(text).text)


def test_of_several_commits_each_is_shown():
    commits = ", ".join(letter * 40 for letter in "abc")
    text = page_of(story(target(), git_commit=commits))
    assert f"{'a' * 12}, {'b' * 12}, {'c' * 12}" in text


class TestFiles:
    def test_a_page_has_a_name_of_its_own_in_a_folder_that_git_ignores(self, reports):
        _, record = reports("alarm")
        assert Path(record["file"]).parent.parts[-2:] == (".stepladder", "reports")
        assert Path(record["file"]).name == f"{record['name']}.html"

    def test_a_named_file_gets_its_folders(self, reports, tmp_path):
        _, record = reports("alarm", output=str(tmp_path / "a" / "b" / "page.html"))
        assert record["file"] == str(tmp_path / "a" / "b" / "page.html")

    def test_a_folder_gets_a_page_of_its_own_name(self, reports, tmp_path):
        _, record = reports("alarm", output=f"{tmp_path}/")
        assert record["file"] == str(tmp_path / f"{record['name']}.html")

    def test_a_file_that_can_not_be_written_is_bad_input(self, reports, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(BadInputError) as failed:
            reports("alarm", output=str(tmp_path / "file" / "page.html"))
        assert "can't be written" in failed.value.message

    def test_an_unknown_release_writes_nothing(self, reports, tmp_path):
        with pytest.raises(BadInputError):
            reports("alarm", wanted="nothing-like-it", output=str(tmp_path / "page.html"))
        assert not (tmp_path / "page.html").exists()
