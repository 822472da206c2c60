"""The site of the documentation: its navigation, its links, its diagrams, and what a page of it is made of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs" / "site"))

import diagrams  # noqa: E402
import pages  # noqa: E402

PLACES = {
    "docs/README.md": "index.md",
    "docs/guides/drift.md": "guides/drift.md",
    "docs/decisions/README.md": "decisions/index.md",
    "CHANGELOG.md": "project/changelog.md",
}


def converted(text, forge=""):
    return pages.converted("docs/guides/drift.md", text, PLACES, forge)


def test_every_page_but_a_decision_is_in_the_navigation_once():
    places = [place for kind in pages.navigation(ROOT).values() for place in kind]
    known = {place for place in pages.listed(ROOT).values() if not place.startswith("decisions/2")} - {"index.md"}
    assert sorted(places) == sorted(known), "docs/README.md lists the pages, under the heading of their kind"


def test_the_four_kinds_are_kept_apart():
    kinds = pages.navigation(ROOT)
    order = list(dict.fromkeys(kind.partition(":")[0] for kind in kinds))
    assert order == ["Tutorial", "Guides", "Concepts", "Reference", "Examples", "Project"]
    for kind, places in kinds.items():
        for name, folder in (("Tutorial", "tutorial"), ("Guides", "guides")):
            assert not kind.startswith(name) or {place.partition("/")[0] for place in places} == {folder}
    assert {place.partition("/")[0] for place in kinds["Concepts"]} == {"concepts", "decisions"}
    assert {place.partition("/")[0] for place in kinds["Reference"]} == {"reference", "glossary.md"}


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("[a](../README.md)", "[a](../index.md)"),
        ("[a](../../README.md#tasks)", "[a](../index.md#tasks)"),
        ("[a](../decisions)", "[a](../decisions/index.md)"),
        ("[a](../../CHANGELOG.md#x)", "[a](../project/changelog.md#x)"),
        ("[a](#heading)", "[a](#heading)"),
        ("[a](https://example.org/b.md)", "[a](https://example.org/b.md)"),
        ("[`a.py`](../../stepladder/a.py)", "`a.py`"),
        ("![a](../pictures/a.svg)", "![a](../pictures/a.svg)"),
        ("```md\n[a](../../stepladder/a.py)\n```", "```md\n[a](../../stepladder/a.py)\n```"),
    ],
)
def test_a_link_leads_to_a_page_of_the_site_or_is_its_text(link, leads_to):
    assert converted(link) == leads_to


def test_a_link_to_a_file_leads_to_the_commit_on_the_forge():
    github = pages.forge_address({"GITHUB_REPOSITORY": "jo/stepladder", "GITHUB_SHA": "abc"})
    assert converted("[a](../../stepladder/a.py)", github) == (
        "[a](https://github.com/jo/stepladder/blob/abc/stepladder/a.py)"
    )
    gitlab = pages.forge_address({"CI_PROJECT_URL": "https://gitlab.example/jo/s", "CI_COMMIT_SHA": "abc"})
    assert gitlab == "https://gitlab.example/jo/s/-/blob/abc/"
    assert pages.forge_address({}) == ""


def test_a_picture_of_two_themes_becomes_two_images():
    text = converted(
        '<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="../pictures/a-dark.svg">\n'
        '  <img alt="what" src="../pictures/a-light.svg">\n</picture>'
    )
    assert '<img class="only-light" alt="what" src="../pictures/a-light.svg">' in text
    assert '<img class="only-dark" alt="what" src="../pictures/a-dark.svg">' in text


def test_every_diagram_has_a_picture_drawn_from_its_present_text():
    """Mermaid draws in a browser: `python docs/site/diagrams.py`."""
    drawn = list(diagrams.all_diagrams())
    assert [each.name for each in drawn if not each.is_fresh] == [], "run python docs/site/diagrams.py"
    assert {each.file for each in drawn} == set(diagrams.FOLDER.glob("*.svg"))


def test_a_changed_diagram_is_stale():
    first = next(diagrams.all_diagrams())
    assert not first._replace(source=f"{first.source}\n    a --> b").is_fresh


def test_ci_publishes_what_the_task_builds_and_nothing_from_a_pull_request():
    workflow = yaml.safe_load((ROOT / ".github/workflows/docs.yml").read_text("utf-8"))
    assert workflow[True] == {"push": {"branches": ["main"]}}  # YAML 1.1 reads `on` as true
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    commands = [step["run"] for step in build["steps"] if "run" in step]
    assert commands == ["sh bootstrap.sh && .venv/bin/invoke docs"]
    assert build["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"id-token": "write", "pages": "write"}
