"""Draw the Mermaid diagrams of the pages as SVG: a forge draws them by itself, and the site takes these.

    python docs/site/diagrams.py

Needs npm, for the pinned Mermaid, and Chromium or Chrome. A picture has the hash of what it was drawn from; a test
compares. Mermaid's own script has 5 MB, would come from another host, and would draw on the reader's phone.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "diagrams"
MERMAID = "12.3.0"
INTEGRITY = "4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw=="
"""The SHA-512 of the package, as npm's registry publishes it."""
BROWSERS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "chrome")
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGE = """<!doctype html><meta charset="utf-8"><script src="mermaid.min.js"></script><pre id="drawn"></pre><script>
mermaid.initialize({startOnLoad: false, theme: "base", htmlLabels: false, fontFamily: "Arial, Helvetica, sans-serif",
    deterministicIds: true, flowchart: {htmlLabels: false}, themeVariables: {fontSize: "14px"}});
(async () => {
    const drawn = {};
    for (const [name, source] of Object.entries(SOURCES)) drawn[name] = (await mermaid.render(name, source)).svg;
    document.getElementById("drawn").textContent = JSON.stringify(drawn);
})();
</script>"""


class Diagram(NamedTuple):
    """A diagram of a page: the name of its picture, and its source."""

    name: str
    source: str

    @property
    def file(self) -> Path:
        """Return the picture."""
        return FOLDER / f"{self.name}.svg"

    @property
    def key(self) -> str:
        """Return the hash that the picture has."""
        return hashlib.sha256(f"{MERMAID}\n{self.source}".encode()).hexdigest()[:16]

    @property
    def is_fresh(self) -> bool:
        """Say whether the picture was drawn from this source."""
        return self.file.is_file() and f'data-source="{self.key}"' in self.file.read_text("utf-8")


def of_page(page: Path, text: str) -> list[Diagram]:
    """Return the diagrams of a page, in its order."""
    return [Diagram(f"{page.stem}-{number}", block[1]) for number, block in enumerate(BLOCK.finditer(text), 1)]


def all_diagrams() -> Iterator[Diagram]:
    """Yield the diagrams of every page."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        yield from of_page(page, page.read_text("utf-8"))


def draw(diagrams: list[Diagram]) -> dict[str, str]:
    """Return SVG by name, without Mermaid's styles: the site's stylesheet has the colours of both themes."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or shutil.which("npm") is None:
        sys.exit("error: npm and Chromium draw the diagrams, and one of them is not on PATH")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        argv = ["npm", "pack", "--silent", f"mermaid@{MERMAID}"]
        subprocess.run(argv, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120)
        archive = folder / f"mermaid-{MERMAID}.tgz"
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != INTEGRITY:
            sys.exit(f"error: {archive.name} is not the pinned one")
        shutil.unpack_archive(archive, folder, filter="data")
        shutil.move(folder / "package" / "dist" / "mermaid.min.js", folder)
        sources = json.dumps({each.name: each.source for each in diagrams}).replace("<", "\\u003c")
        (folder / "page.html").write_text(PAGE.replace("SOURCES", sources), "utf-8")
        argv = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        argv += ["--virtual-time-budget=60000", "--dump-dom", (folder / "page.html").as_uri()]
        shown = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=180).stdout
    drawn = re.search(r'<pre id="drawn">(.+?)</pre>', shown, re.DOTALL)
    if drawn is None:
        sys.exit("error: the browser drew nothing")
    return json.loads(html.unescape(drawn[1]))


def cleaned(svg: str, diagram: Diagram) -> str:
    """Return a picture in one line, with the hash of its source, round figures, and no styles of its own."""
    svg = re.sub(r"<style>.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"\d+\.\d{2,}", lambda figure: f"{float(figure[0]):.1f}", svg)
    for part in re.findall(r'<(?:marker|symbol|filter) id="[^"]*".*?</(?:marker|symbol|filter)>', svg, re.DOTALL):
        name = part.split('"')[1]
        if f"url(#{name})" not in svg and f'href="#{name}"' not in svg:
            svg = svg.replace(part, "")
    svg = re.sub(r' (?:data-(?!source)[\w-]+|font-family)="[^"]*"', "", svg)
    return " ".join(svg.replace("<svg ", f'<svg data-source="{diagram.key}" ', 1).split()) + "\n"


def main() -> None:
    """Draw what is not fresh, and delete the pictures of diagrams that are gone."""
    diagrams = list(all_diagrams())
    for file in set(FOLDER.glob("*.svg")) - {each.file for each in diagrams}:
        file.unlink()
    FOLDER.mkdir(exist_ok=True)
    stale = [each for each in diagrams if not each.is_fresh]
    drawn = draw(stale) if stale else {}
    for each in stale:
        each.file.write_text(cleaned(drawn[each.name], each), "utf-8")
    print(f"{len(stale)} of {len(diagrams)} diagrams drawn")  # noqa: T201 - a command of its own


if __name__ == "__main__":
    main()
