"""Draw the pictures of a terminal from real runs: docs/pictures/<name>-<theme>.svg, as `PICTURES` lists them.

    python docs/picture.py                     # makes a project and a local cloud for it
    python docs/picture.py --project FOLDER    # promotes that project, on the local cloud that this shell points at

A file is written when its words change; figures, times and ids alone leave it as it is. A test draws all again.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests" / "support"), str(ROOT / "docs")]

import terminals  # noqa: E402 - the tests' own pseudo-terminal
from colours import COLOURS, THEMES  # noqa: E402 - beside this file

SVG = "{http://www.w3.org/2000/svg}"
WIDTH, SPEED, CANARY = 98, 15, r"10% for (\d) of 5 min"
PHASES = r"[a-z ]+ <time>(?:, [a-z ]+ <time>)*"  # those under a second aren't shown, so they differ between runs
PERSON = ("-c", "user.name=Jo", "-c", "user.email=jo@example.org", "-c", "commit.gpgsign=false")
ADVANCE, LEADING, LEFT, TOP = 7.8, 18, 20, 66  # pixels of a column and a line, and where the text begins
STEP, HOLD = 1.3, 5.0  # seconds that a scene of the canary and the last one are shown
PICTURES = {
    "promotion": ("inv promote", "A promotion to production: a canary, watched, then all traffic"),
}
"""Pictures by name: the command that is typed, and what the picture shows."""
STYLES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow", "36": "cyan"}


def record(project: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Deploy a change to staging, and promote it on a terminal; return all that the terminal got, by picture."""
    handler = project / "function" / "app" / "handler.py"
    handler.write_text(f"{handler.read_text('utf-8')}\n# a change\n", "utf-8")
    _run(["git", "init", "--quiet"], project, env)
    _run(["git", "add", "--all"], project, env)
    _run(["git", *PERSON, "commit", "--quiet", "--message", "Change the handler"], project, env)
    seen = {name: value for name, value in env.items() if name not in {"CI", "NO_COLOR", "COLUMNS"}}
    _run(["inv", "deploy", "--env", "staging"], project, env)
    texts = {}
    for name, (command, _) in PICTURES.items():
        shown = terminals.run(shlex.split(command), cwd=project, env={**seen, "TERM": "xterm"}, width=WIDTH)
        if shown.code:
            sys.exit(shown.text)
        texts[name] = shown.text
    return texts


def frames(text: str) -> Iterator[list[str]]:
    """Yield every state of a terminal at which something was erased again, and the last."""
    screen, row, is_new = [""], 0, False
    for part in re.split(r"(\x1b\[1A|\x1b\[2K|\x1b\[\?25[hl]|\r|\n)", text):
        if part == "\x1b[2K":
            if is_new:
                yield list(screen)
            screen[row], is_new = "", False
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\n":
            row += 1
            screen += [""] * (row + 1 - len(screen))
        elif part not in {"\r", "\x1b[?25h", "\x1b[?25l", ""}:
            screen[row] += part
            is_new = True
    yield screen


def scenes(text: str) -> list[list[str]]:
    """Return the frames to show: one for each minute of a canary, then the end."""
    *before, end = frames(text)
    minutes: dict[str, list[str]] = {}
    for frame in before:
        if found := re.search(CANARY, "\n".join(frame)):
            minutes[found[1]] = frame
    return [*minutes.values(), end]


def draw(shown: Sequence[Sequence[str]], theme: str, command: str, title: str) -> str:
    """Return an SVG that shows scenes one after the other; the last one where nothing may move."""
    colours = dict(zip(COLOURS, THEMES[theme].split(), strict=True))
    width = round(2 * LEFT + WIDTH * ADVANCE)
    height = TOP + LEADING * max(len([line for line in scene if line]) for scene in shown) + 12
    whole = STEP * (len(shown) - 1) + HOLD
    rules = [f".{name}{{fill:{colours[name]}}}" for name in COLOURS[3:]]
    moves = []
    for number in range(len(shown)):
        first, last = 100 * STEP * number / whole, 100 * STEP * (number + 1) / whole
        ends = "" if number == len(shown) - 1 else f"{last:.2f}%{{opacity:0}}"
        rules += [f".s{number}{{opacity:{int(number == len(shown) - 1)}}}"]
        moves += [f"@keyframes k{number}{{0%{{opacity:0}}{first:.2f}%{{opacity:1}}{ends}}}"]
        moves += [f".s{number}{{animation:k{number} {whole}s step-end infinite}}"]
    style = f"""text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}}
.bold{{font-weight:bold}} {" ".join(rules)}
@media (prefers-reduced-motion:no-preference){{{" ".join(moves)}}}"""
    dots = "".join(f'<circle cx="{22 + 20 * n}" cy="17" r="6" class="rest"/>' for n in range(3))
    frame = f'x=".5" y=".5" width="{width - 1}" height="{height - 1}"'
    parts = [f'<g class="s{number}">\n{"".join(_lines(scene))}</g>\n' for number, scene in enumerate(shown)]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
<title>{title}</title>
<style>{style}</style>
<rect {frame} rx="8" fill="{colours["back"]}" stroke="{colours["edge"]}"/>
<path d="M1 34V8a7 7 0 0 1 7-7h{width - 16}a7 7 0 0 1 7 7v26z" fill="{colours["bar"]}"/>{dots}
<text x="{LEFT}" y="{TOP - LEADING + 10}" class="text"><tspan class="dim">$</tspan> {command}</text>
{"".join(parts)}</svg>
"""


def _lines(scene: Sequence[str]) -> Iterator[str]:
    """Yield the SVG of a scene's lines; a bar of blocks becomes two rectangles."""
    y = TOP + 10
    for line in filter(None, scene):
        column, style, spans, bars = 0, "text", "", ""
        for part in re.split(r"(\x1b\[\d*m|█+|░+)", line):
            x = LEFT + ADVANCE * column
            if part.startswith("\x1b"):
                style = STYLES.get(part[2:-1], "text")
            elif part and part[0] in "█░":
                kind = style if part[0] == "█" else "rest"
                bars += f'<rect x="{x:.1f}" y="{y - 11}" width="{ADVANCE * len(part):.1f}" height="11" class="{kind}"/>'
                column += len(part)
            else:
                for word in re.finditer(r"\S+(?: \S+)*", part):
                    at, size = x + ADVANCE * word.start(), ADVANCE * len(word[0])
                    spans += f'<tspan x="{at:.1f}" textLength="{size:.1f}" class="{style}">{escape(word[0])}</tspan>'
                column += len(part)
        yield f'{bars}<text y="{y}">{spans}</text>\n'
        y += LEADING


def words(picture: str) -> list[str]:
    """Return the text of a picture's scenes without what differs between runs; equal scenes count once."""
    masks = {r"\b[0-9a-f]{7,}\b": "<id>", r"\b[\d.]+ (?:ms|s|min)(?: \d+ s)?\b": "<time>", r"\d+": "<n>"}
    frames: dict[str, None] = {}
    for scene in ET.fromstring(picture).iter(f"{SVG}g"):  # noqa: S314 - our own file
        lines = [" ".join(span.text or "" for span in text) for text in scene.iter(f"{SVG}text")]
        for pattern, mask in masks.items():
            lines = [re.sub(pattern, mask, line) for line in lines]
        frames["\n".join(line for line in lines if not re.fullmatch(PHASES, line))] = None
    return list(frames)


def make() -> dict[str, str]:
    """Make a project and a local cloud, release a first version everywhere, and record the promotion of a change."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "INVOKE_", "TF_VAR_"))}
    env = {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as folder:
        _run(["inv", "new", "--no-input", "--output", folder, "--python-version", version], ROOT, env)
        (project,) = (path for path in Path(folder).iterdir() if path.is_dir())
        _run(["inv", "local.up", "--port", "0", "--speed", "60"], project, env)
        try:
            for line in _run(["inv", "local.env"], project, env).splitlines():
                verb, *assigned = shlex.split(line)
                if verb == "export":
                    env |= dict(one.split("=", 1) for one in assigned)
            _run(["inv", "deploy", "--env", "staging"], project, env)
            _run(["inv", "promote"], project, env)
            _run(["inv", "local.speed", str(SPEED)], project, env)  # what the machine takes looks no longer than on AWS
            return record(project, env)
        finally:
            _run(["inv", "local.down"], project, env)


def _run(argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(argv, cwd=folder, env=dict(env), stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    return done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures")
    asked = parser.parse_args()
    texts = record(asked.project, os.environ) if asked.project else make()
    asked.output.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        for theme in THEMES:
            file, drawn = asked.output / f"{name}-{theme}.svg", draw(scenes(text), theme, *PICTURES[name])
            if not file.exists() or words(file.read_text("utf-8")) != words(drawn):
                file.write_text(drawn, "utf-8")
