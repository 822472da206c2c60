"""The tables of `inv diff`: one for each function, one for each Terraform root that would change."""

from __future__ import annotations

from stepladder.commands.diff import (
    CHANGED,
    FIRST,
    PROMOTION,
    SKIPPED,
    UNCHANGED,
    EnvironmentDiff,
    FunctionDiff,
    RootDiff,
)
from stepladder.commands.diff_image import SAME, UNKNOWN, ImageDiff
from stepladder.core.console import Console
from stepladder.core.display import megabytes, plain_cause
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell, Column
from stepladder.images.contents import ImageLayer
from stepladder.ledger.words import shown_commit
from stepladder.terraform.losses import FUNCTION

_SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "-/+", "import": "=", "move": ">", "remove": "."}
_COLOURS = {"create": "green", "delete": "red", "replace": "red", "update": "yellow", "added": "green", "gone": "red"}
_LISTED = 10
_SMALL = 100_000
_HEAD = ("", "what", Column("before", least=12, prose=True), Column("after", least=12, prose=True))
Row = tuple[Cell | str, ...]


def show(console: Console, diff: EnvironmentDiff) -> None:
    """Print what would change, and the command that does it."""
    several = len(diff.functions) > 1
    for each in diff.functions:
        _function(console, diff, each, named=several)
    for root in diff.roots:
        _root(console, root, diff.environment)
    console.line()
    if not diff.differs:
        console.line(f"{diff.environment}: {'nothing else ' if _unknown(diff) else 'nothing '}would change")
        return
    command = "inv promote" if diff.how == PROMOTION else f"inv deploy --env {diff.environment}"
    applies = diff.how == PROMOTION and any(root.state == CHANGED for root in diff.roots if root.root == "service")
    console.hint(f"to do it: `{command}{' --infra' if applies else ''}`; to try it: `{command} --dry-run`")


def _unknown(diff: EnvironmentDiff) -> bool:
    return any(root.state in {SKIPPED, UNKNOWN} for root in diff.roots)


def _function(console: Console, diff: EnvironmentDiff, each: FunctionDiff, *, named: bool) -> None:
    where = f"{diff.environment} {each.function}" if named else diff.environment
    if each.state == FIRST:
        what = f"would get {short(each.image.after)}" if each.image.after else "would get its first release"
        console.data(f"{where}: nothing is released yet; it {what}")
    else:
        version = f"version {each.version} is served" if each.version else "nothing is released yet"
        console.data(f"{where}: {version}; {'no change' if each.state == UNCHANGED else 'would change:'}")
    rows = [*_image(each.image), *_configuration(each), *_smoke(each)]
    if rows and each.state != FIRST:
        console.table(_HEAD, rows)
    if each.image.state == UNKNOWN:
        console.warn(f"{where}: the image is unknown: {each.image.why}")
    if each.state != FIRST:
        _say_unknown(console, where, each.image)
        if each.smoke.state == UNKNOWN:
            console.warn(f"{where}: the smoke cases can't be compared: {each.smoke.why}")


def _say_unknown(console: Console, where: str, image: ImageDiff) -> None:
    if image.layers_unknown:
        console.line(f"{where}: layers unknown: {plain_cause(image.layers_unknown)}")
    if image.packages_unknown and image.packages_unknown != image.layers_unknown:
        console.line(f"{where}: packages unknown: {plain_cause(image.packages_unknown)}")


def _image(image: ImageDiff) -> list[Row]:
    if image.state == SAME:
        return []
    after = f"{short(image.after)}{_commit(image.after_commit)}" if image.after else f"not built yet: {image.why}"
    rows: list[Row] = [
        (Cell("~", "yellow"), "image", f"{short(image.before) or '-'}{_commit(image.before_commit)}", after)
    ]
    rows += [("", "  commit", "-", f"{shown_commit(each.commit)} {each.title}") for each in image.commits[:_LISTED]]
    if len(image.commits) > _LISTED:
        rows.append(("", f"  and {len(image.commits) - _LISTED} more commits", "-", "-"))
    rows += [(Cell("-", "red"), "layer", _layer(layer), "-") for layer in image.removed]
    rows += [(Cell("+", "green"), "layer", "-", _layer(layer)) for layer in image.added]
    for package in image.packages:
        sign, colour = ("~", "yellow") if package.before and package.after else ("+", "green")
        sign, colour = (sign, colour) if package.after else ("-", "red")
        name = f"package {package.name}"
        rows.append((Cell(sign, colour), name, package.before or "-", package.after or "-"))
    rows += [(Cell("~", "yellow"), f"file {name}", "-", "-") for name in image.files[:_LISTED]]
    if len(image.files) > _LISTED:
        rows.append(("", f"and {len(image.files) - _LISTED} more files", "-", "-"))
    return rows


def _commit(recorded: str) -> str:
    return f" ({shown_commit(recorded)})" if recorded else ""


def _layer(layer: ImageLayer) -> str:
    made = f" {layer.made_by.removeprefix('stepladder: ')}" if layer.made_by else ""
    size = megabytes(layer.size) if layer.size >= _SMALL else f"{layer.size / 1000:.1f} kB"
    return f"{short(layer.digest)} {size}{made}"


def _configuration(each: FunctionDiff) -> list[Row]:
    words = {"applied": " (applied, not released)", "by hand": " (changed by hand)"}
    return [
        (Cell("~", "yellow"), f"{one.attribute}{words.get(one.source, '')}", one.before or "-", one.after or "-")
        for one in each.configuration
    ]


def _smoke(each: FunctionDiff) -> list[Row]:
    if each.smoke.state in {SAME, UNKNOWN}:
        return []
    return [(Cell("~", "yellow"), "smoke cases", each.smoke.why, f"{each.smoke.cases} cases")]


def _root(console: Console, root: RootDiff, environment: str) -> None:
    where = f"{environment}/{root.root}"
    if root.state == CHANGED:
        console.data(f"{where}: {root.counts} ({root.why})")
        console.table(_HEAD, _changes(root))
    elif root.state == UNKNOWN:
        console.warn(f"{where} can't be compared: {root.why}")
    else:
        console.data(f"{where}: {'not compared' if root.state == SKIPPED else root.why}")
    for note in root.notes:
        console.line(f"  {note}")


def _changes(root: RootDiff) -> list[Row]:
    rows: list[Row] = []
    for change in root.changes:
        loss = " (destroys data or callers)" if change.guarded else ""
        sign = Cell(_SIGNS.get(change.action, change.action), _COLOURS.get(change.action, ""))
        rows.append((sign, f"{change.address}{loss}", "", ""))
        if change.action == "create" or (change.type == FUNCTION and change.action == "update"):
            continue  # all of it is new; or it is shown with the function
        rows += [
            ("", f"  {each.path}{' (forces a replacement)' if each.forces else ''}", each.before, each.after)
            for each in change.attributes
        ]
        if change.left_out:
            rows.append(("", f"  and {change.left_out} more attributes", "", ""))
    return rows
