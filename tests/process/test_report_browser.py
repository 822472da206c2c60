"""The pages of `inv report` in a real browser: on a phone and on a desk, light and dark, by axe-core's rules.

One browser opens one page, which holds every report in frames of both widths; it writes down what it measured.
"""

from __future__ import annotations

import html
import importlib.util
import json
import re
import subprocess
import tempfile
from pathlib import Path

import browser
import needs
import pytest
import reported

from stepladder.commands.report import report

WIDTHS = (375, 1280)
DARK = "@media (prefers-color-scheme: dark)"
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
SHOWN = ("alarm", "promoted", "several")
HARNESS = """<!doctype html><html lang="en"><title>frames</title><body><pre id="result">pending</pre><script>
const pages = PAGES, axe = AXE, results = {};
function frame(page, width) {
  return new Promise(done => {
    const one = document.createElement("iframe");
    one.style.width = width + "px"; one.style.height = "900px"; one.style.border = "0";
    one.srcdoc = page; one.onload = () => done(one); document.body.append(one);
  });
}
async function measure(name, page, width) {
  const one = await frame(page, width), inner = one.contentWindow, root = one.contentDocument.documentElement;
  inner.eval(axe);
  const rules = {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]};
  const found = await inner.axe.run(inner.document, rules);
  const wide = [...root.querySelectorAll("body *")].filter(
    each => each.getBoundingClientRect().right > width + 1 && !each.closest(".wide, .skip, .bars"));
  results[name + " " + width] = {
    loaded: inner.performance.getEntriesByType("resource").length,
    overflow: root.scrollWidth - root.clientWidth,
    violations: found.violations.map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 120)).join(" | ")),
    wide: wide.slice(0, 3).map(each => each.outerHTML.slice(0, 120)),
  };
  one.remove();
}
(async () => {
  for (const [name, page, width] of pages) await measure(name, page, width);
  document.getElementById("result").textContent = JSON.stringify(results);
})().catch(error => { document.getElementById("result").textContent = String(error); });
</script></body></html>"""


def pages(root: Path) -> dict[str, str]:
    """Write the page of each promotion."""
    written = {}
    for name in SHOWN:
        with reported.played(name, root) as (machine, _):
            written[name] = Path(report(machine, output=f"{root}/{name}.html")["file"]).read_text("utf-8")
    return written


def axe() -> str:
    """Return the source of axe-core, which the package carries. Its binding to a browser is not used."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None, "the dev dependencies lack axe-playwright-python"
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, object]]:
    try:
        program = browser.path_of_browser()
    except browser.NoBrowserError as error:
        needs.missing(str(error))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        frames = []
        for name, text in pages(Path(folder)).items():
            free = POLICY.sub("", text)  # which keeps axe-core out as it keeps everything out
            assert free != text
            frames += [(f"{name} light", free.replace(DARK, "@media not all"), width) for width in WIDTHS]
            frames.append((f"{name} dark", free.replace(DARK, "@media all"), WIDTHS[1]))
        filled = HARNESS.replace("PAGES", script(frames)).replace("AXE", script(axe()))
        file = Path(folder, "frames.html")
        file.write_text(filled, encoding="utf-8")
        dumped = subprocess.run(
            [
                *(program, *browser.FLAGS, f"--user-data-dir={folder}/profile", "--virtual-time-budget=60000"),
                *("--force-prefers-reduced-motion", "--dump-dom", file.as_uri()),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
    match = re.search(r'<pre id="result">(.*?)</pre>', dumped, re.DOTALL)
    assert match, dumped[:500]
    results: dict[str, dict[str, object]] = json.loads(html.unescape(match[1]))
    return results


def script(value: object) -> str:
    """Return a value as JavaScript that may stand in a page."""
    return json.dumps(value).replace("</", "<\\/").replace("<!--", "<\\!--")


def test_every_page_is_measured_in_both_widths_and_both_schemes(measured):
    assert len(measured) == len(SHOWN) * 3


def test_no_page_breaks_a_rule_of_axe_core(measured):
    assert {name: each["violations"] for name, each in measured.items() if each["violations"]} == {}


def test_no_page_scrolls_sideways(measured):
    assert {name: each["wide"] for name, each in measured.items() if each["overflow"] or each["wide"]} == {}


def test_no_page_loads_anything(measured):
    assert {name for name, each in measured.items() if each["loaded"]} == set()
