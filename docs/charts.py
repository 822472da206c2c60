"""Draw figures as SVG: bars with the spread of what was measured, curves over a size, and a grid of outcomes.

Each picture has a title and a description. Its meaning is in words, marks and shapes too, never in a colour alone.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from colours import COLOURS, THEMES

WIDTH, LINE, EDGE = 860, 34, 20
LABEL, BARS, NOTE, CHARACTER = 370, 360, 250, 7.2  # columns of a picture of bars; mean width of a letter of 13 pixels
SHAPES = ("circle", "square", "diamond", "triangle", "cross", "bar")
SERIES = ("cyan", "green", "yellow", "red", "dim")
MARKS = {"good": ("✓", "green"), "fair": ("~", "yellow"), "bad": ("✗", "red"), "none": ("-", "dim")}


@dataclass(frozen=True)
class Bar:
    """Figures of one thing; the bar is their median, the whisker their least and most. `ours` is drawn full."""

    label: str
    figures: Sequence[float]
    note: str = ""
    ours: bool = False


@dataclass(frozen=True)
class Curve:
    """One thing at several sizes: points of size and figure, both above zero."""

    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Outcome:
    """How something ended: `kind` is a key of `MARKS`, `text` a word or two."""

    kind: str
    text: str


def bars(title: str, unit: str, lines: Sequence[Bar], theme: str) -> str:
    """Return a bar for each line, from zero, with its median and its note in words."""
    most = max(max(bar.figures) for bar in lines)
    step = _step(most)
    left = EDGE + LABEL
    right = left + BARS
    scale = (right - left) / (step * math.ceil(most / step))
    top = 56
    bottom = top + LINE * len(lines)
    parts = []
    for number in range(math.ceil(most / step) + 1):
        x = left + number * step * scale
        parts += [f'<path d="M{x:.1f} {top}V{bottom}" class="rule"/>']
        parts += [_text(x, bottom + 18, f"{number * step:g}", "dim middle")]
    parts += [_text(right + 18, bottom + 18, unit, "dim")]
    for number, bar in enumerate(lines):
        y = top + LINE * number + 6
        middle = statistics.median(bar.figures)
        low, high = (left + each * scale for each in (min(bar.figures), max(bar.figures)))
        kind = "own" if bar.ours else "other"
        parts += [_text(left - 10, y + 15, bar.label, "end bold" if bar.ours else "end")]
        parts += [f'<rect x="{left}" y="{y}" width="{max(middle * scale, 1):.1f}" height="22" class="{kind}"/>']
        parts += [
            f'<path d="M{low:.1f} {y + 11}H{high:.1f}M{low:.1f} {y + 6}v10M{high:.1f} {y + 6}v10" class="whisker"/>'
        ]
        note = f"{middle:.2f} {unit}{', ' + bar.note if bar.note else ''}"
        parts += [_text(max(high, left + middle * scale) + 8, y + 15, note, "bold" if bar.ours else "text")]
    told = "; ".join(
        f"{bar.label}: {statistics.median(bar.figures):.2f} {unit}{', ' * bool(bar.note)}{bar.note}" for bar in lines
    )
    return _picture(title, f"{told}. The whiskers are the least and the most.", bottom + 34, parts, theme, right + NOTE)


def curves(title: str, axes: tuple[str, str], lines: Sequence[Curve], theme: str) -> str:
    """Return curves over logarithmic axes, each with a shape of its own and its name at its end."""
    left, right, top, bottom = EDGE + 60, WIDTH - EDGE - 230, 66, 340
    sizes = [x for line in lines for x, _ in line.points]
    figures = [y for line in lines for _, y in line.points]
    across, up = _decades(sizes), _decades(figures)
    parts = [_text(EDGE, top - 14, axes[1], "dim"), _text(right, bottom + 38, axes[0], "dim end")]

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (math.log10(x) - across[0]) / (across[1] - across[0]) * (right - left),
            bottom - (math.log10(y) - up[0]) / (up[1] - up[0]) * (bottom - top),
        )

    for power in range(up[0], up[1] + 1):
        _, y = place(1, 10.0**power)
        parts += [f'<path d="M{left} {y:.1f}H{right}" class="rule"/>', _text(left - 8, y + 4, _short(power), "dim end")]
    for power in range(across[0], across[1] + 1):
        x, _ = place(10.0**power, 1)
        parts += [f'<path d="M{x:.1f} {top}V{bottom}" class="rule"/>']
        parts += [_text(x, bottom + 18, _short(power), "dim middle")]
    ends = []
    for number, line in enumerate(lines):
        colour, shape = SERIES[number % len(SERIES)], SHAPES[number % len(SHAPES)]
        places = [place(*point) for point in line.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts += [f'<path d="M{path}" class="curve {colour}-line"/>']
        parts += [_shape(shape, x, y, colour) for x, y in places]
        ends.append((places[-1][1], line.label, colour, shape))
    below = -math.inf
    for y, label, colour, shape in sorted(ends):
        below = max(y, below + 18)
        parts += [_shape(shape, right + 16, below, colour), _text(right + 28, below + 4, label, "text")]
    told = "; ".join(f"{line.label}: {', '.join(f'{x:g}: {y:.3g}' for x, y in line.points)}" for line in lines)
    return _picture(title, f"{axes[1]} by {axes[0]}. {told}.", max(bottom + 52, round(below) + 20), parts, theme)


def grid(title: str, head: Sequence[str], lines: Mapping[str, Sequence[Outcome]], theme: str) -> str:
    """Return a cell for each outcome, with its mark and its words; as wide as the columns need."""
    first, wide, high = 190, 108, 62
    parts = []
    for number, name in enumerate(head):
        for row, word in enumerate(_wrapped(name, wide - 6)):
            parts += [_text(EDGE + first + wide * (number + 0.5), 62 + 16 * row, word, "middle bold")]
    top = 62 + 16 * max(len(_wrapped(name, wide - 6)) for name in head)
    for line, (label, outcomes) in enumerate(lines.items()):
        y = top + high * line
        words = _wrapped(label, first - 12)
        begin = y + high / 2 + 5 - 8 * (len(words) - 1)
        parts += [_text(EDGE, begin + 16 * n, word, "text") for n, word in enumerate(words)]
        for number, outcome in enumerate(outcomes):
            x = EDGE + first + wide * number
            mark, colour = MARKS[outcome.kind]
            box = f'x="{x + 2}" y="{y + 2}" width="{wide - 4}" height="{high - 4}"'
            parts += [f'<rect {box} rx="4" class="{colour}-cell"/>']
            cell = _wrapped(re.sub(r"(\d) s$", "\\1\N{NO-BREAK SPACE}s", f"{mark} {outcome.text}"), wide - 4)
            begin = y + high / 2 + 4 - 7 * (len(cell) - 1)
            parts += [_text(x + wide / 2, begin + 14 * n, word, "small middle") for n, word in enumerate(cell)]
    told = "; ".join(
        f"{label}: {', '.join(f'{name} {outcome.text}' for name, outcome in zip(head, outcomes, strict=True))}"
        for label, outcomes in lines.items()
    )
    width = max(WIDTH, 2 * EDGE + first + wide * len(head))
    return _picture(title, f"{told}.", top + high * len(lines) + 14, parts, theme, width)


def _picture(title: str, description: str, height: int, parts: Sequence[str], theme: str, width: int = WIDTH) -> str:
    colours = dict(zip(COLOURS, THEMES[theme].split(), strict=True))
    body = "\n".join(parts)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">
<title id="title">{escape(title)}</title>
<desc id="description">{escape(description)}</desc>
<style>{_style(colours)}</style>
<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" class="frame"/>
{_text(EDGE, 32, title, "bold large")}
{body}
</svg>
"""


def _style(colours: Mapping[str, str]) -> str:
    rules = [f"text{{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:{colours['text']}}}"]
    rules += [".bold{font-weight:600}.large{font-size:15px}.small{font-size:12px}.middle{text-anchor:middle}"]
    rules += [f".frame{{fill:{colours['back']};stroke:{colours['edge']}}}"]
    rules += [f".end{{text-anchor:end}}.dim{{fill:{colours['dim']}}}.rule{{stroke:{colours['edge']}}}"]
    rules += [f".own{{fill:{colours['cyan']}}}.other{{fill:{colours['rest']};stroke:{colours['dim']}}}"]
    rules += [f".whisker{{stroke:{colours['text']};stroke-width:1.5;fill:none}}.curve{{fill:none;stroke-width:2}}"]
    for name in SERIES:
        rules += [f".{name}-line{{stroke:{colours[name]}}}.{name}-shape{{fill:{colours[name]};stroke:{colours[name]}}}"]
        rules += [f".{name}-cell{{fill:{colours[name]};fill-opacity:.22;stroke:{colours[name]}}}"]
    return "".join(rules)


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'


def _shape(shape: str, x: float, y: float, colour: str) -> str:
    paths = {
        "square": "m-4.5-4.5h9v9h-9z",
        "diamond": "m0-6l6 6l-6 6l-6-6z",
        "triangle": "m0-6l5.5 10h-11z",
        "cross": "m-4.5-4.5l9 9m0-9l-9 9",
        "bar": "m-2-7h4v14h-4z",
        "circle": "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0",
    }
    return f'<path d="M{x:.1f} {y:.1f}{paths[shape]}" class="{colour}-shape"/>'


def _step(most: float) -> float:
    """Return a round distance between rules of which three to seven cover `most`."""
    rough = most / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _short(power: int) -> str:
    return f"{10.0**power:g}" if power < 3 else f"{10 ** (power - 3):,},000"  # noqa: PLR2004 - thousands


def _wrapped(text: str, wide: float) -> list[str]:
    """Return text in lines of at most so many pixels, as far as that is known without the font."""
    return list(_lines(text.split(" "), wide)) or [""]


def _lines(words: Sequence[str], wide: float) -> Iterator[str]:
    line: list[str] = []
    for word in words:
        if line and len(" ".join([*line, word])) * CHARACTER > wide:
            yield " ".join(line)
            line = []
        line.append(word)
    if line:
        yield " ".join(line)
