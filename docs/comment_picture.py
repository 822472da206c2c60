"""Draw the comment of a pull request as a browser shows it: docs/pictures/comment-light.png and comment-dark.png.

    python docs/comment_picture.py

The Markdown is that of the test's golden file, in colours like GitHub's. Each picture keeps the hash of the page
that it was drawn from. A test compares: after a change of the comment, draw it again.
"""

from __future__ import annotations

import hashlib
import html
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "support"))

from browser import FLAGS, path_of_browser  # noqa: E402 - the tests' own browser

COMMENT = ROOT / "tests" / "unit" / "data" / "comments" / "shop.md"
WIDTH, SCALE = 900, "1.5"
KEY = b"stepladder-source"
OPENED = "production/service"
NAMES = ("back", "text", "dim", "edge", "code", "link", "added", "added-back", "gone", "gone-back", "changed", "bar")
THEMES = {
    "light": "#ffffff #1f2328 #59636e #d1d9e0 #818b981f #0969da #116329 #dafbe1 #82071e #ffebe9 #953800 #f6f8fa",
    "dark": "#0d1117 #f0f6fc #9198a1 #3d444d #656c7633 #4493f8 #aff5b4 #033a16 #ffdcd7 #67060c #ffa657 #151b23",
}
STYLE = """
body{margin:0;padding:16px;background:var(--back);color:var(--text);
  font:14px/1.5 -apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif}
article{border:1px solid var(--edge);border-radius:6px;overflow:hidden}
header{padding:8px 16px;background:var(--bar);border-bottom:1px solid var(--edge);color:var(--dim)}
header b{color:var(--text)} header span{border:1px solid var(--edge);border-radius:2em;padding:0 7px;font-size:12px}
section{padding:0 16px 8px} h3{font-size:1.25em;margin:16px 0;line-height:1.25} a{color:var(--link)}
table{border-collapse:collapse;margin:0 0 16px} th,td{border:1px solid var(--edge);padding:6px 13px;text-align:left}
ul{padding-left:2em} li+li{margin-top:4px} summary{cursor:default} details{margin-bottom:16px}
code,pre{font:12px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{background:var(--code);border-radius:6px;padding:.2em .4em}
pre{background:var(--bar);border-radius:6px;padding:12px 16px;margin:12px 0;white-space:pre-wrap}
pre code{background:none;padding:0} pre span{display:block}
.added{color:var(--added);background:var(--added-back)} .gone{color:var(--gone);background:var(--gone-back)}
.changed{color:var(--changed)}
"""


def source(theme: str) -> str:
    """Return the hash of the page that a picture is drawn from."""
    return hashlib.sha256(page(COMMENT.read_text("utf-8"), theme).encode()).hexdigest()


def page(text: str, theme: str) -> str:
    """Return a comment's Markdown as a page that looks like its forge."""
    body = MarkdownIt("commonmark").enable("table").render(text)
    body = re.sub(r'(?s)(<pre><code class="language-diff">)(.*?)(</code>)', _coloured, body)
    body = body.replace(f"<details><summary>{OPENED}", f"<details open><summary>{OPENED}")
    colours = ";".join(f"--{name}:{value}" for name, value in zip(NAMES, THEMES[theme].split(), strict=True))
    head = "<b>github-actions</b> <span>bot</span> commented on the pull request · edited"
    return f"""<!doctype html><meta charset="utf-8"><style>:root{{{colours}}}{STYLE}</style>
<article><header>{head}</header><section>{body}</section></article>
<script>document.title = Math.ceil(document.querySelector("article").getBoundingClientRect().bottom) + 16</script>"""


def _coloured(match: re.Match[str]) -> str:
    kinds = {"+": "added", "-": "gone", "!": "changed"}
    lines = (f'<span class="{kinds.get(line[:1], "")}">{line}</span>' for line in match[2].splitlines())
    return f"{match[1]}{''.join(lines)}{match[3]}"


def draw(text: str, theme: str) -> bytes:
    """Return a PNG of a comment, as high as the comment is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "page.html").write_text(page(text, theme), "utf-8")
        shown = _browse(folder, "--dump-dom", f"--window-size={WIDTH},800").stdout
        height = int(html.unescape(shown.partition("<title>")[2].partition("<")[0]))
        flags = (f"--screenshot={folder / 'page.png'}", f"--window-size={WIDTH},{height}", "--hide-scrollbars")
        _browse(folder, *flags, f"--force-device-scale-factor={SCALE}")
        return (folder / "page.png").read_bytes()


def _browse(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    argv = [
        path_of_browser(),
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        *flags,
        f"file://{folder / 'page.html'}",
    ]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)


def noted(png: bytes, value: str) -> bytes:
    """Return a PNG with a text of ours behind its header (https://www.w3.org/TR/png-3/#11tEXt)."""
    chunk = b"tEXt" + KEY + b"\0" + value.encode("ascii")
    header = 8 + 25  # the signature, and IHDR
    return (
        png[:header] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[header:]
    )


def note_of(png: bytes) -> str:
    """Return the text that `noted` wrote; empty without one."""
    return png.partition(b"tEXt" + KEY + b"\0")[2][:64].decode("ascii", "replace")


if __name__ == "__main__":
    for theme in THEMES:
        made = noted(draw(COMMENT.read_text("utf-8"), theme), source(theme))
        (ROOT / "docs" / "pictures" / f"comment-{theme}.png").write_bytes(made)
