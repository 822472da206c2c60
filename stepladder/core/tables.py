"""Lay a table out for a terminal's width, without knowing what it holds.

Where everything fits nothing is done. Else, in this order: columns that hold nothing are left out, those that may be
cut are cut to the least that still means something, prose moves to a line below its row, and columns that can be spared
are left out, which the caller says. Without a width (a pipe, a file) everything is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stepladder.core.display import cut, one_line, width_of

_GAP = 2
_INDENT = 4
_NOTHING = ("", "-")
_WHOLE = 8  # columns that a cell of an undescribed table keeps at least


@dataclass(frozen=True)
class Column:
    """A column. `least` is the width to which it may be cut (0: never).

    `prose` moves below its row when it has no room. `spare` ranks what is left out, the highest first (0: never).
    """

    name: str
    least: int = 0
    prose: bool = False
    spare: int = 0


@dataclass(frozen=True)
class Cell:
    """A cell that says how it is meant: `colour` is a name of the console's, empty for none."""

    text: str
    colour: str = ""


Part = tuple[str, str]
"""A piece of a line: text and colour."""


@dataclass(frozen=True)
class Layout:
    """The lines of a table in their pieces, and the columns that found no room."""

    lines: tuple[tuple[Part, ...], ...]
    left_out: tuple[str, ...] = field(default=())


def lay_out(head: Sequence[Column | str], rows: Sequence[Sequence[object]], width: int | None) -> Layout:
    """Return the lines of a table that take at most `width` columns; None is no limit.

    A head of nothing but names lets every column be cut; beside a `Column`, a name alone is one that never is.
    """
    least = 0 if any(isinstance(column, Column) for column in head) else _WHOLE
    columns = [column if isinstance(column, Column) else Column(column, least) for column in head]
    cells = [[_cell(value) for value in row] for row in rows]
    natural = {
        index: max(width_of(cell.text) for cell in (Cell(column.name), *(row[index] for row in cells)))
        for index, column in enumerate(columns)
    }
    hollow = {index for index in natural if cells and all(row[index].text in _NOTHING for row in cells)}
    widths, below, left_out = _fit(columns, natural, width, hollow)
    lines = [_line(widths, {index: Cell(columns[index].name, "bold") for index in widths})]
    for row in cells:
        lines.append(_line(widths, dict(enumerate(row))))
        for index in below:
            if row[index].text not in _NOTHING:
                text = cut(f"{columns[index].name}: {row[index].text}", (width or 0) - _INDENT)
                lines.append(((" " * _INDENT, ""), (text, row[index].colour)))
    return Layout(tuple(lines), tuple(columns[index].name for index in left_out))


def _cell(value: object) -> Cell:
    cell = value if isinstance(value, Cell) else Cell(str(value))
    return Cell(" " * (len(cell.text) - len(cell.text.lstrip(" "))) + one_line(cell.text), cell.colour)


def _fit(
    columns: list[Column], natural: Mapping[int, int], width: int | None, hollow: set[int]
) -> tuple[dict[int, int], list[int], list[int]]:
    """Return the columns' widths, those that move below their row, and those that are left out."""
    widths = dict(natural)
    below: list[int] = []
    left_out: list[int] = []
    if width is None:
        return widths, below, left_out
    if _total(widths) > width:
        widths = {index: size for index, size in widths.items() if index not in hollow} or widths
    spares = sorted((index for index in widths if columns[index].spare), key=lambda index: columns[index].spare)
    prose = [index for index in widths if columns[index].prose and natural[index] > _least(columns[index])]
    while True:
        shrunk = _shrunk(columns, widths, width)
        if shrunk is not None or not (prose or spares):
            return (shrunk or _squeezed(widths, width)), below, left_out
        going = prose.pop() if prose else spares.pop()
        (below if columns[going].prose else left_out).insert(0, going)
        del widths[going]


def _shrunk(columns: list[Column], widths: Mapping[int, int], width: int) -> dict[int, int] | None:
    """Cut the widest columns that may be cut until all fit; None when they can't."""
    shrunk = dict(widths)
    while (over := _total(shrunk) - width) > 0:
        able = [index for index in shrunk if columns[index].least and shrunk[index] > _least(columns[index])]
        if not able:
            return None
        widest = max(able, key=lambda index: (columns[index].prose, shrunk[index]))
        shrunk[widest] = max(
            _least(columns[widest]), shrunk[widest] - over if columns[widest].prose else shrunk[widest] - 1
        )
    return shrunk


def _squeezed(widths: Mapping[int, int], width: int) -> dict[int, int]:
    """Cut whatever is widest: a terminal too narrow for the least still gets no line that wraps."""
    squeezed = dict(widths)
    while _total(squeezed) > width and max(squeezed.values()) > 1:
        squeezed[max(squeezed, key=lambda index: squeezed[index])] -= 1
    return squeezed


def _least(column: Column) -> int:
    return max(column.least, width_of(column.name))


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _line(widths: Mapping[int, int], cells: Mapping[int, Cell]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for index, width in widths.items():
        text = cut(cells[index].text, width)
        parts += [(text, cells[index].colour), (" " * (width - width_of(text) + _GAP), "")]
    while parts and not parts[-1][0].strip():
        parts.pop()
    return tuple((text.rstrip() if part == len(parts) - 1 else text, c) for part, (text, c) in enumerate(parts))
