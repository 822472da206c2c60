"""Draw a target's traffic as SVG: the new version's weight, and the errors and durations of both versions. Pure.

Each chart is 320 wide, so that its letters are readable on a phone at its own size; a page puts them side by side.
Versions differ by dash and label, not by colour alone. What a chart shows stands in its title and description, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from stepladder.report.story import MinuteOfVersion, TargetStory, Weight

_WIDTH, _HEIGHT = 320, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 24
_TICKS = 3
_NEW, _OLD = "new", "old"

Point = tuple[float, float]


@dataclass(frozen=True)
class _Line:
    """A line of a chart: its class for the style, its label, and its points by time and value."""

    kind: str
    label: str
    points: tuple[Point, ...]


def of(target: TargetStory) -> Markup:
    """Return a target's charts; nothing where its traffic never moved."""
    if not target.weights:
        return Markup("")
    first, last = _span(target)
    charts = [_weight_chart(target.weights, target, first, last)]
    versions = ((_NEW, target.version), (_OLD, target.previous_version))
    read = [(kind, version, target.minutes[version]) for kind, version in versions if target.minutes.get(version)]
    if read:
        charts.append(_chart(target, "Errors in 100 requests", "%", _lines(read, _error_rate), first, last))
    if any(minute.p99 is not None for _, _, minutes in read for minute in minutes):
        charts.append(_chart(target, "Duration, p99", " ms", _lines(read, lambda minute: minute.p99), first, last))
    return Markup("").join(charts)


def totals(target: TargetStory) -> list[tuple[str, str, str, str, str]]:
    """Return a row for each version of a target: which it is, its requests, its errors, and its slowest p99.

    Without metrics that were read there is none: nobody knows then whether there were requests.
    """
    rows = []
    for kind, version in ((_NEW, target.version), (_OLD, target.previous_version)):
        if version not in target.minutes:
            continue
        minutes = target.minutes[version]
        slowest = max((minute.p99 for minute in minutes if minute.p99 is not None), default=None)
        shown = "-" if slowest is None else f"{slowest:,.0f} ms"
        requests, errors = sum(m.requests for m in minutes), sum(m.errors for m in minutes)
        rows.append((kind, version, f"{requests:,}", f"{errors:,}", shown))
    return rows


def clock(at: float) -> str:
    """Return the time of day of a moment, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _span(target: TargetStory) -> tuple[float, float]:
    times = [minute.at for minutes in target.minutes.values() for minute in minutes]
    ended = target.ended or max((phase.at + phase.seconds for phase in target.phases), default=0.0)
    first = min([target.weights[0].at - 60, *times])
    return first, max([ended, target.weights[-1].at + 60, *times])


def _error_rate(minute: MinuteOfVersion) -> float | None:
    return 100 * minute.errors / minute.requests if minute.requests else None


def _lines(
    read: Sequence[tuple[str, str, Sequence[MinuteOfVersion]]], value: Callable[[MinuteOfVersion], float | None]
) -> list[_Line]:
    lines = []
    for kind, version, minutes in read:
        points = tuple((m.at, v) for m in minutes if (v := value(m)) is not None)
        lines.append(_Line(kind, f"version {version} ({kind})", points))
    return lines


def _weight_chart(weights: Sequence[Weight], target: TargetStory, first: float, last: float) -> Markup:
    points: list[Point] = [(first, 0.0)]
    for weight in weights:
        points += [(weight.at, points[-1][1]), (weight.at, weight.share * 100)]
    points.append((last, points[-1][1]))
    line = _Line(_NEW, f"version {target.version or 'new'} (new)", tuple(points))
    return _chart(target, "Weight of the new version", "%", [line], first, last, most=100.0, filled=True)


def _chart(
    target: TargetStory,
    title: str,
    unit: str,
    lines: Sequence[_Line],
    first: float,
    last: float,
    *,
    most: float = 0.0,
    filled: bool = False,
) -> Markup:
    highest = most or _round_up(max((value for line in lines for _, value in line.points), default=0.0))
    span = max(last - first, 1.0)
    bottom = _HEIGHT - _BOTTOM

    def x(at: float) -> float:
        return _LEFT + (at - first) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return bottom - value / highest * (bottom - _TOP)

    parts = []
    for number in range(_TICKS):
        value = highest * number / (_TICKS - 1)
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text x="{}" y="{:.1f}" ').format(
                _LEFT, _WIDTH - _RIGHT, y(value), y(value), _LEFT - 5, y(value) + 4
            )
            + Markup('text-anchor="end">{}</text>').format(f"{value:,.4g}{unit}")
        )
    for at, anchor in ((first, "start"), (last, "end")):
        parts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(x(at), _HEIGHT - 7, anchor, clock(at))
        )
    parts += [_drawn(line, x, y, bottom, filled=filled) for line in reversed(lines)]
    named = ", ".join(f"{line.label}: {_described(line, unit)}" for line in lines)
    label = f"{title} of {target.key}. {named}"
    legend = Markup("").join(
        Markup('<li class="{}"><svg viewBox="0 0 22 8" aria-hidden="true"><path d="M0 4H22"/></svg> {}</li>').format(
            line.kind, line.label
        )
        for line in lines
    )
    drawn = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, label)
    return (
        Markup("<figure class=chart><figcaption>{}</figcaption>").format(title)
        + drawn
        + Markup("").join(parts)
        + Markup("</svg><ul class=legend>")
        + legend
        + Markup("</ul></figure>")
    )


def _drawn(
    line: _Line, x: Callable[[float], float], y: Callable[[float], float], bottom: float, *, filled: bool
) -> Markup:
    if not line.points:
        return Markup("")
    drawn_points = [(x(at), y(value)) for at, value in line.points]
    path = " ".join(f"{'L' if number else 'M'}{a:.1f} {b:.1f}" for number, (a, b) in enumerate(drawn_points))
    parts = [Markup('<path class="line" d="{}"/>').format(path)]
    if filled:
        area = f"{path} L{drawn_points[-1][0]:.1f} {bottom} L{drawn_points[0][0]:.1f} {bottom} Z"
        parts.insert(0, Markup('<path class="area" d="{}"/>').format(area))
    else:
        parts += [Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2"/>').format(a, b) for a, b in drawn_points]
    return Markup('<g class="{}">{}</g>').format(line.kind, Markup("").join(parts))


def _described(line: _Line, unit: str) -> str:
    values = [value for _, value in line.points]
    if not values:
        return "no data"
    return f"{values[0]:,.4g}{unit} at first, {max(values):,.4g}{unit} at most, {values[-1]:,.4g}{unit} at last"


def _round_up(value: float) -> float:
    """Return a round number that is not smaller: the top of an axis."""
    if value <= 0:
        return 1.0
    size = 10.0 ** (len(f"{int(value)}") - 1) if value >= 1 else 0.1
    return next(step * size for step in (1, 2, 4, 5, 10, 20) if step * size >= value)
