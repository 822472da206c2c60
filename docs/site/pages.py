"""Make the source of the site out of the repository's Markdown, which stays as a forge shows it.

Each page is copied; its links lead to other pages of the site, or else to the file on the forge. Its diagrams and
pictures become those that follow the reader's theme. The navigation is what `docs/README.md` lists under its headings.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import diagrams

ROOT = Path(__file__).resolve().parents[2]
INDEX = "docs/README.md"
PROJECT = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "examples/README.md": "examples/index.md",
}
"""Pages outside docs/ that the site has too."""
FENCE = re.compile(r"^( *)(`{3,}|~{3,})[^\n]*\n.*?^\1\2[ ]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!\!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s]+)\)")
PICTURE = re.compile(
    r'<picture>\s*<source [^>]*srcset="([^"]+)"[^>]*>\s*<img alt="([^"]+)" src="([^"]+)">\s*</picture>', re.DOTALL
)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def listed(root: Path) -> dict[str, str]:
    """Return where each page of the site is, by its file in the repository."""
    pages = {INDEX: "index.md"}
    for page in sorted((root / "docs").rglob("*.md")):
        name = page.relative_to(root).as_posix()
        pages.setdefault(name, re.sub(r"(^|/)README\.md$", r"\1index.md", name.removeprefix("docs/")))
    pages |= {name: place for name, place in PROJECT.items() if (root / name).is_file()}
    for page in sorted((root / "examples").glob("*/README.md")):
        pages[page.relative_to(root).as_posix()] = f"examples/{page.parent.name}.md"
    return pages


def navigation(root: Path) -> dict[str, list[str]]:
    """Return the pages of each kind, as `docs/README.md` lists them, and those about the project and its examples.

    What stands under a smaller heading is a group of its own: `Guides: begin`.
    """
    pages = listed(root)
    _, *sections = re.split(r"^(?=###? )", (root / INDEX).read_text("utf-8"), flags=re.MULTILINE)
    kinds: dict[str, list[str]] = {}
    kind = ""
    for section in sections:
        level, _, title = section.partition("\n")[0].partition(" ")
        kind = title if level == "##" else kind
        title = kind if level == "##" else f"{kind}: {title[0].lower()}{title[1:]}"
        links = [posixpath.normpath(f"docs/{link[2].partition('#')[0]}") for link in LINK.finditer(section)]
        if places := [pages[link] for link in dict.fromkeys(links) if link in pages]:
            kinds[title] = places
    kinds["Examples"] = [place for name, place in pages.items() if name.startswith("examples/")]
    shown = {place for places in kinds.values() for place in places}
    kinds["Project"] = [pages[name] for name in PROJECT if name in pages and pages[name] not in shown]
    return kinds


def forge_address(env: Mapping[str, str] = os.environ) -> str:
    """Return where the forge shows a file of this commit, in a job of CI; empty elsewhere."""
    if repository := env.get("GITHUB_REPOSITORY"):
        return (
            f"{env.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}/blob/{env.get('GITHUB_SHA', 'HEAD')}/"
        )
    if project := env.get("CI_PROJECT_URL"):
        return f"{project}/-/blob/{env.get('CI_COMMIT_SHA', 'HEAD')}/"
    return ""


def converted(name: str, text: str, pages: Mapping[str, str], forge: str, root: Path = ROOT) -> str:
    """Return a page as the site's generator takes it; `name` is its file in the repository."""
    page = root / name
    drawn = iter(diagrams.of_page(page, text))

    def prose(part: str) -> str:
        part = PICTURE.sub(lambda found: _themes(found, pages[name]), part)
        return LINK.sub(lambda found: _link(found, name, pages, forge), part)

    def code(block: str) -> str:
        return _drawing(next(drawn)) if block.startswith("```mermaid\n") else block

    return "".join(_each(text, prose, code))


def _each(text: str, prose: Callable[[str], str], code: Callable[[str], str]) -> Iterator[str]:
    place = 0
    for block in FENCE.finditer(text):
        yield prose(text[place : block.start()])
        yield code(block[0])
        place = block.end()
    yield prose(text[place:])


def _link(link: re.Match[str], name: str, pages: Mapping[str, str], forge: str) -> str:
    """Return a link that leads to a page of the site, to a file on the forge, or is its text alone."""
    text, target = link[1], link[2]
    if re.match(r"[a-z]+:|#", target):
        return link[0]
    path, _, anchor = target.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    if file == "README.md":
        file = INDEX
    place = pages.get(file) or pages.get(f"{file}/README.md")
    if place:
        relative = posixpath.relpath(place, posixpath.dirname(pages[name]) or ".")
        return f"[{text}]({relative}{'#' + anchor if anchor else ''})"
    return f"[{text}]({forge}{file})" if forge else text


def _themes(found: re.Match[str], place: str) -> str:
    """Return a picture's two forms, of which the site's stylesheet shows one."""
    up = "../" * place.count("/")
    dark, alt, light = found[1], found[2], found[3]
    shown = [(light, "only-light"), (dark, "only-dark")]
    images = [f'<img class="{kind}" alt="{alt}" src="{up}pictures/{posixpath.basename(file)}">' for file, kind in shown]
    return f'<p class="picture">{"".join(images)}</p>'


def _drawing(diagram: diagrams.Diagram) -> str:
    """Return a diagram's picture; on a phone it stays as large as one can read, and scrolls."""
    svg = diagram.file.read_text("utf-8").strip() if diagram.file.is_file() else ""
    svg = re.sub(
        r'style="max-width: ([\d.]+)px;',
        lambda width: f"{width[0]} min-width: {min(float(width[1]), 620):.0f}px;",
        svg,
        count=1,
    )
    return f'<div class="diagram" tabindex="0">{svg}</div>'


def _toctree(title: str, places: list[str]) -> str:
    lines = "\n".join(place.removesuffix(".md") for place in places)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{lines}\n```\n"


def write(root: Path, output: Path, only: Collection[str] | None = None) -> None:
    """Write the source of the site, or of some pages of it.

    Files that would not change keep their time, so that a second build is quick.
    """
    pages, forge = listed(root), forge_address()
    if only is not None:
        pages = {name: place for name, place in pages.items() if place.removesuffix(".md") in only}
    written = {output / place for place in pages.values()}
    for name, place in pages.items():
        text = converted(name, (root / name).read_text("utf-8"), pages, forge, root)
        if re.match(r"decisions/\d", place):
            text = f"---\norphan: true\n---\n{text}"
        if name == INDEX:
            text += "".join(_toctree(title, places) for title, places in navigation(root).items())
        _write(output / place, text)
    for old in set(output.rglob("*.md")) - written:
        old.unlink()
    shutil.copytree(root / "docs" / "pictures", output / "_files" / "pictures", dirs_exist_ok=True)


def _write(file: Path, text: str) -> None:
    if not file.is_file() or file.read_text("utf-8") != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
