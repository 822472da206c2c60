"""The site of the documentation in a real browser: on a phone and on a desk, in both themes, from this host alone."""

from __future__ import annotations

import functools
import http.server
import sys
import threading
from pathlib import Path

import devtools
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "docs" / "site")]

import build  # noqa: E402
import pages  # noqa: E402

KEY_PAGES = (
    "index",
    "tutorial/first-project",
    "guides/pull-requests",
    "concepts/architecture",
    "concepts/promotion",
    "reference/errors",
    "reference/index",
)
SIDEWAYS = """Array.from(document.querySelectorAll("article *")).filter(each => {
    const scrolls = each.closest(".table-wrapper, pre, .diagram, .highlight");
    return !scrolls && each.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map(each => each.outerHTML.slice(0, 120))"""
BRIGHTNESS = """(colour => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number); return (r + g + b) / 765; })"""
COLOURS = f"""["body", "article", ".diagram .node rect", ".diagram text", ".diagram .flowchart-link"].map(selector => {{
    const style = getComputedStyle(document.querySelector(selector)), shade = {BRIGHTNESS};
    return [shade(style.backgroundColor), shade(style.color), shade(style.fill === "none" ? style.stroke : style.fill)];
}})"""


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory, request):
    """A server of the site: of its key pages, or with `--long` of all."""
    output = tmp_path_factory.mktemp("site")
    known = None if request.config.getoption("long") else KEY_PAGES
    folder = build.build(output, only=known)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def page():
    with devtools.opened() as tab:
        yield tab


@pytest.fixture(scope="module")
def shown(request):
    if request.config.getoption("long"):
        return [place.removesuffix(".md") for place in pages.listed(ROOT).values()]
    return list(KEY_PAGES)


def test_no_page_is_wider_than_a_phone_or_asks_another_host_or_complains(address, page, shown):
    page.requests.clear()
    page.complaints.clear()
    wide = {}
    for name in shown:
        page.show(f"{address}{name}.html", width=375)
        assert page.run("document.querySelector('h1').textContent"), name
        excess = page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if sideways := page.run(SIDEWAYS):
            wide[name] = sideways
        assert excess <= 0, name
        assert page.run("!/(^|\\s)\u2013[a-z]/.test(document.querySelector('article').textContent)"), (
            "a flag has one dash"
        )
    assert wide == {}
    assert [url for url in page.requests if not url.startswith((address, "data:"))] == []
    assert page.complaints == []


def test_a_diagram_can_be_read_in_both_themes(address, page):
    shades = {}
    for theme in ("light", "dark"):
        page.show(f"{address}concepts/architecture.html", width=1280, theme=theme)
        (back, _, _), (_, text, _), (_, _, box), (_, _, label), (_, _, line) = page.run(COLOURS)
        shades[theme] = back
        assert abs(back - text) > 0.5, theme
        assert abs(box - label) > 0.5, theme
        assert abs(back - line) > 0.25, theme
    assert shades["light"] > 0.9
    assert shades["dark"] < 0.2


def test_the_search_finds_a_page_without_another_host(address, page):
    page.requests.clear()
    page.show(f"{address}search.html?q=approval", width=1280)
    found = page.run(
        """new Promise(done => { const until = Date.now() + 20000; (function poll() {
        const links = Array.from(document.querySelectorAll("ul.search li a")).map(each => each.href);
        if (links.length || Date.now() > until) done(links); else setTimeout(poll, 20); })(); })"""
    )
    assert any("concepts/promotion" in each for each in found)
    assert [url for url in page.requests if not url.startswith((address, "data:"))] == []
