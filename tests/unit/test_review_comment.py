"""The comment on a change request, as Markdown that a real parser reads: what stands first, and what nothing can break.

`python tests/unit/test_review_comment.py` writes the golden files again.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import reviews
from markdown_it import MarkdownIt

from stepladder.core import markdown
from stepladder.releases.review import EnvironmentReview, Forecast, PlanFailure
from stepladder.releases.review_comment import render

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "data" / "comments"
COMMENTS = {"calm": reviews.CALM, "failed": reviews.FAILED, "hostile": reviews.HOSTILE, "shop": reviews.SHOP}


def parsed(text: str) -> list:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [inner for token in tokens for inner in (token, *(token.children or []))]


def words(text: str) -> str:
    """Return what a reader sees outside of code."""
    return " ".join(token.content for token in parsed(text) if token.type == "text")


@pytest.mark.parametrize("name", COMMENTS)
def test_a_comment_reads_as_its_golden_file(name: str) -> None:
    assert render(COMMENTS[name], reviews.PAGE) == (GOLDEN / f"{name}.md").read_text("utf-8")


def test_the_first_lines_say_what_would_be_lost_and_refused() -> None:
    text = render(reviews.SHOP, reviews.PAGE)
    head = text.partition("<details>")[0]
    assert text.startswith("### stepladder: **2 resources would be destroyed or replaced**, 1 of them refused")
    assert '`hash_key` `"id"` -> `"order_id"`; **refused** without `--allow-destroy aws_dynamodb_table.orders`' in head
    assert text.index("would lose") < text.index("<details>")
    assert len(head.splitlines()) < 20


def test_a_failed_plan_and_a_missing_one_are_shown() -> None:
    head = render(reviews.FAILED, reviews.PAGE)
    assert "**2 plans failed**" in head
    assert "the memory must be between 128 and 10240 MB" in head
    assert "**production was not planned**" in head
    assert "**sandbox was planned from another commit**" in head


SAME, NEW = Forecast("same", configuration=False, version="3"), Forecast("new", configuration=False, version="3")


@pytest.mark.parametrize(
    ("own", "functions", "expected"),
    [
        (SAME, {"mailer": NEW, "poller": SAME}, "mailer: new version after 3: new image; 2 without a release"),
        (NEW, {"mailer": SAME}, "main: new version after 3: new image; 1 without a release"),
        (None, {"mailer": SAME, "poller": SAME}, "none: 2 functions stay live"),
        (None, {f"f{n}": NEW for n in range(5)}, "f2: new version after 3: new image; 2 more"),
    ],
)
def test_of_several_functions_those_that_would_be_released_are_named(
    own: Forecast | None, functions: dict[str, Forecast], expected: str
) -> None:
    made = EnvironmentReview("staging", reviews.COMMIT, (), forecast=own, functions=functions)
    assert f"{expected} |" in render({"staging": made}, reviews.PAGE)


@pytest.mark.parametrize("limit", [0, 65_436, 20_000])
def test_no_value_becomes_markup(limit: int) -> None:
    text = render(reviews.HOSTILE, reviews.PAGE, limit)
    tokens = parsed(text)
    html = [token.content.strip() for token in tokens if token.type in {"html_block", "html_inline"}]
    opened = [part for part in html if part.startswith("<details><summary>")]
    assert html.count("</details>") == len(opened) == len(html) / 2
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h3"]
    assert {token.type for token in tokens}.isdisjoint({"image", "blockquote_open", "hr", "code_block"})
    links = [dict(token.attrs)["href"] for token in tokens if token.type == "link_open"]
    assert set(links) <= {reviews.PAGE.job_url}
    assert not any(line.lstrip().startswith("/") for line in text.splitlines())
    seen = words(text)
    assert not any(mark in seen for mark in ("@octocat", "evil.example", "/merge", "<img", "stepladder:plan"))


def test_a_table_keeps_its_columns() -> None:
    for made in COMMENTS.values():
        rows = [token for token in parsed(render(made, reviews.PAGE)) if token.type in {"th_open", "td_open"}]
        assert len(rows) == 3 * (len(made) + 1)


@pytest.mark.parametrize("limit", [65_536, 8_000, 4_000])
def test_a_comment_that_would_be_too_long_keeps_what_comes_first(limit: int) -> None:
    many = tuple(
        reviews.resource(
            f'aws_sqs_queue.this["{number:04}{"x" * 300}"]',
            "delete",
            "create",
            before={"name": "a" * 300},
            after={"name": "b" * 300},
            replace_paths=[["name"]],
        )
        for number in range(400)
    )
    root = reviews.root("service", *many, notes=("a note " * 100,) * 9)
    made = {name: EnvironmentReview(name, reviews.COMMIT, (root,)) for name in ("staging", "production")}
    made["sandbox"] = EnvironmentReview("sandbox", "", failure=PlanFailure("it failed " * 60))
    text = render(made, reviews.PAGE, limit)
    assert len(text) <= limit
    assert "**800 resources would be destroyed or replaced**" in text
    assert text.count("it failed") == 60
    assert "more resource" in text
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0
    assert len(render(made, reviews.PAGE)) > 10 * limit or limit > 8_000


LOST = tuple(reviews.root(name, reviews.TABLE, reviews.FUNCTION) for name in ("foundation", "service", "delivery"))
EVERYWHERE = {
    "failed": EnvironmentReview("", "", failure=PlanFailure("it failed " * 60)),
    "missing": None,
    "lost": EnvironmentReview("", "0" * 40, LOST, (), Forecast("new", configuration=True, version="12")),
    "unknown": EnvironmentReview("", "", (), (), Forecast("unknown", configuration=False, problem="denied " * 80)),
}


@pytest.mark.parametrize("kind", EVERYWHERE)
@pytest.mark.parametrize("limit", [65_436, 8_000])
def test_a_comment_on_300_environments_fits_and_what_went_wrong_comes_first(kind: str, limit: int) -> None:
    made = {f"environment-of-team-{number}": reviews.CALM["staging"] for number in range(300)}
    made |= {f"wrong-{number}": EVERYWHERE[kind] for number in range(300)}
    text = render(made, reviews.PAGE, limit)
    assert len(text) <= limit
    assert "`.stepladder/review/comment.md`" in text
    tokens = parsed(text)
    assert sum(token.type == "td_open" for token in tokens) % 3 == 0
    assert sum(token.type == "td_open" for token in tokens) > 3 * 10
    assert text.count("```") % 2 == 0
    if kind != "unknown" and "\n\nAnd " in text:
        assert text.index("| wrong-0 |") < (text.find("| environment-of-team-0 |") % len(text))


@pytest.mark.parametrize("text", [*reviews.HOSTILE_VALUES, "", " ", " a ", "``", "a`", "`a", "\\", "a\\`"])
def test_a_code_span_and_a_block_hold_exactly_their_text(text: str) -> None:
    shown = markdown.visible(text)
    (span,) = [token for token in parsed(f"a {markdown.code(text)} b") if token.type == "code_inline"]
    assert span.content == (shown or " ")
    (fence,) = [token for token in parsed(f"a\n\n{markdown.block([text, text])}\n\nb") if token.type == "fence"]
    assert fence.content == f"{shown}\n{shown}\n"


@pytest.mark.parametrize("text", reviews.HOSTILE_VALUES)
def test_plain_words_are_only_words_in_a_table_too(text: str) -> None:
    tokens = parsed(f"| a | b |\n| - | - |\n| {markdown.plain(text)} | c |")
    assert sum(token.type == "td_open" for token in tokens) == 2
    assert {token.type for token in tokens}.isdisjoint(
        {"html_inline", "html_block", "link_open", "image", "code_inline"}
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_shows_the_comment_as_it_is(theme: str) -> None:
    """`python docs/comment_picture.py` draws it again."""
    spec = importlib.util.spec_from_file_location("comment_picture", ROOT / "docs" / "comment_picture.py")
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    png = (ROOT / "docs" / "pictures" / f"comment-{theme}.png").read_bytes()
    assert picture.note_of(png) == picture.source(theme)


if __name__ == "__main__":
    for name, made in COMMENTS.items():
        (GOLDEN / f"{name}.md").write_text(render(made, reviews.PAGE), "utf-8")
    sys.exit(0)
