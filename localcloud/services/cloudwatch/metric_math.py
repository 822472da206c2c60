"""CloudWatch metric math, as far as alarms of Lambda functions need it.

A value is a number or a series (a dict of timestamp to number). An operator on two series gives a point where both have
one. A division by zero gives none. Functions: ABS, AVG, CEIL, DIFF, FILL, FLOOR, IF, MAX, METRICS, MIN, PERIOD, SUM.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence

Series = dict[float, float]
Value = "float | Series | list[Series]"

TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z_]\w*)|(\"[^\"]*\"|'[^']*')|(&&|\|\||[<>=!]=|[-+*/^<>(),\[\]]))"
)
LEVELS: tuple[dict[str, Callable[[float, float], float]], ...] = (
    {"||": lambda a, b: float(bool(a) or bool(b)), "OR": lambda a, b: float(bool(a) or bool(b))},
    {"&&": lambda a, b: float(bool(a) and bool(b)), "AND": lambda a, b: float(bool(a) and bool(b))},
    {
        "==": lambda a, b: float(a == b),
        "!=": lambda a, b: float(a != b),
        "<=": lambda a, b: float(a <= b),
        ">=": lambda a, b: float(a >= b),
        "<": lambda a, b: float(a < b),
        ">": lambda a, b: float(a > b),
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
    {"^": operator.pow},
)


class ExpressionError(ValueError):
    """The expression can't be read, or asks for what isn't offered here."""


def evaluate(expression: str, series: Mapping[str, Series], times: Sequence[float], period: float) -> Series:
    """Evaluate an expression over named series. `times` are the starts of all periods read."""
    value = _Evaluation(expression, series, times, period).run()
    if isinstance(value, list):
        raise ExpressionError("an expression must give one series")
    return dict.fromkeys(times, value) if isinstance(value, float | int) else value


def names(expression: str) -> set[str]:
    """Return the names that an expression may refer to."""
    return {token for kind, token in _tokens(expression) if kind == "name"}


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise ExpressionError(f"can't read {text[at:]!r} in the expression {expression!r}")
        kind = ("number", "name", "text", "sign")[match.lastindex - 1]  # type: ignore[operator]  # it matched
        tokens.append((kind, match.group(match.lastindex)))  # type: ignore[arg-type]  # it matched
        at = match.end()
    return [*tokens, ("end", "")]


class _Evaluation:
    """A recursive-descent evaluation: no tree is kept."""

    def __init__(self, expression: str, series: Mapping[str, Series], times: Sequence[float], period: float) -> None:
        self._tokens = _tokens(expression)
        self._at = 0
        self._series = series
        self._times = times
        self._period = period
        self._expression = expression

    def run(self) -> float | Series | list[Series]:
        value = self._binary(0)
        if self._tokens[self._at][0] != "end":
            raise ExpressionError(f"{self._tokens[self._at][1]!r} is unexpected in {self._expression!r}")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at][1]

    def _take(self, expected: str = "") -> tuple[str, str]:
        token = self._tokens[self._at]
        if expected and token[1] != expected:
            raise ExpressionError(f"{expected!r} is missing in {self._expression!r}")
        self._at += 1
        return token

    def _binary(self, level: int) -> float | Series | list[Series]:
        if level == len(LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek() in LEVELS[level]:
            sign = self._take()[1]
            left = _combine(LEVELS[level][sign], left, self._binary(level + 1))
        return left

    def _unary(self) -> float | Series | list[Series]:
        if self._peek() == "-":
            self._take()
            return _combine(operator.mul, -1.0, self._unary())
        kind, token = self._take()
        if kind == "number":
            return float(token)
        if (kind, token) == ("sign", "("):
            value = self._binary(0)
            self._take(")")
            return value
        if (kind, token) == ("sign", "["):
            return [_as_series(v, self._times) for v in self._arguments("]")]
        if kind == "name" and self._peek() == "(":
            self._take()
            return self._call(token)
        if kind == "name" and token in self._series:
            return self._series[token]
        raise ExpressionError(f"{token!r} is not known in {self._expression!r}")

    def _arguments(self, end: str) -> list[float | Series | list[Series]]:
        values: list[float | Series | list[Series]] = []
        while self._peek() != end:
            values.append(self._binary(0))
            if self._peek() == ",":
                self._take()
        self._take(end)
        return values

    def _call(self, name: str) -> float | Series | list[Series]:  # noqa: PLR0911 - one for each kind of function
        if name == "FILL":
            return self._fill()
        if name == "METRICS":
            statistic = self._take()[1].strip("\"'") if self._tokens[self._at][0] == "text" else ""
            self._take(")")
            return [points for key, points in self._series.items() if statistic in key]
        arguments = self._arguments(")")
        if name == "IF":
            return self._if(arguments)
        if name == "PERIOD":
            return float(self._period)
        if name in ("MAX", "MIN", "SUM", "AVG"):
            return _reduce(name, arguments[0])
        if name == "DIFF":
            return _diff(_as_series(arguments[0], self._times))
        singles: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
        single = singles.get(name)
        if single is None:
            raise ExpressionError(f"the local cloud doesn't offer {name} in metric math")
        return _combine(lambda a, _: float(single(a)), arguments[0], 0.0)

    def _if(self, arguments: list[float | Series | list[Series]]) -> float | Series:
        condition = arguments[0]
        chosen = [arguments[1], arguments[2] if len(arguments) > 2 else {}]  # noqa: PLR2004 - IF takes two or three
        if isinstance(condition, float):
            return _as_series(chosen[0 if condition else 1], self._times)
        branches = [_as_series(branch, self._times) for branch in chosen]
        picked = ((at, branches[0 if truth else 1]) for at, truth in _as_series(condition, self._times).items())
        return {at: branch[at] for at, branch in picked if at in branch}

    def _fill(self) -> Series:
        series = dict(_as_series(self._binary(0), self._times))
        self._take(",")
        if self._peek() in ("REPEAT", "LINEAR"):
            how = self._take()[1]
            self._take(")")
            return _fill_between(series, self._times, linear=how == "LINEAR")
        filler = _as_series(self._binary(0), self._times)
        self._take(")")
        return {at: series.get(at, filler[at]) for at in self._times if at in series or at in filler}


def _as_series(value: float | Series | list[Series], times: Sequence[float]) -> Series:
    if isinstance(value, list):
        raise ExpressionError("a list of series stands where one series must")
    return value if isinstance(value, dict) else dict.fromkeys(times, float(value))


def _combine(
    sign: Callable[[float, float], float], left: float | Series | list[Series], right: float | Series | list[Series]
) -> float | Series:
    if isinstance(left, list) or isinstance(right, list):
        raise ExpressionError("an operator can't take a list of series")
    if isinstance(left, dict) or isinstance(right, dict):
        times = [*left] if isinstance(left, dict) else [*right]  # type: ignore[misc]  # one of the two is a dict
        combined: Series = {}
        for at in times:
            a = left.get(at) if isinstance(left, dict) else left
            b = right.get(at) if isinstance(right, dict) else right
            if a is not None and b is not None:
                result = _safe(sign, a, b)
                if result is not None:
                    combined[at] = result
        return combined
    result = _safe(sign, left, right)
    return {} if result is None else result


def _safe(sign: Callable[[float, float], float], left: float, right: float) -> float | None:
    try:
        return float(sign(left, right))
    except (ZeroDivisionError, OverflowError):
        return None


def _reduce(name: str, value: float | Series | list[Series]) -> float | Series:
    """Reduce a list of series point by point, or one series to a number."""
    how: Callable[[Sequence[float]], float] = {
        "MAX": max,
        "MIN": min,
        "SUM": sum,
        "AVG": lambda v: sum(v) / len(v),
    }[name]  # type: ignore[assignment]  # all take a sequence
    if isinstance(value, list):
        times = sorted({at for series in value for at in series})
        return {at: how([series[at] for series in value if at in series]) for at in times}
    if isinstance(value, dict):
        return how(list(value.values())) if value else {}
    return value


def _diff(series: Series) -> Series:
    times = sorted(series)
    return {b: series[b] - series[a] for a, b in itertools.pairwise(times)}


def _fill_between(series: Series, times: Sequence[float], *, linear: bool) -> Series:
    known = sorted(series)
    filled = dict(series)
    for at in times:
        before = [t for t in known if t < at]
        after = [t for t in known if t > at]
        if at in filled or not before:
            continue
        if not linear:
            filled[at] = series[before[-1]]
        elif after:
            a, b = before[-1], after[0]
            filled[at] = series[a] + (series[b] - series[a]) * (at - a) / (b - a)
    return filled
