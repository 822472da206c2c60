"""Print which folder imports which, counted in import statements, lazy ones too; and the loops between folders.

python docs/rooms.py            # of this tree
python docs/rooms.py v0.1.0     # of a commit
python docs/rooms.py --mermaid  # as a Mermaid graph
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("stepladder", "localcloud")


def edges(root: Path) -> Counter[tuple[str, str]]:
    """Count the imports from one folder to another in the packages that lie in `root`."""
    sys.path.insert(0, str(root))
    present = [name for name in PACKAGES if (root / name / "__init__.py").is_file()]
    graph = grimp.build_graph(present[0], *present[1:], cache_dir=None)
    counted: Counter[tuple[str, str]] = Counter()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = _folder(importer), _folder(imported)
            if pair[0] != pair[1]:
                counted[pair] += 1
    return counted


def _folder(module: str) -> str:
    """Return the folder directly below a package that a module lies in; a module beside them stands for itself."""
    return ".".join(module.split(".")[:2])


def loops(pairs: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pairs of folders that import each other."""
    return sorted((a, b) for a, b in pairs if a < b and (b, a) in pairs)


def _lines(pairs: Counter[tuple[str, str]]) -> Iterator[str]:
    for folder in sorted({a for a, _ in pairs}):
        to = ", ".join(f"{b} {n}" for (a, b), n in sorted(pairs.items()) if a == folder)
        yield f"{folder} -> {to}"
    yield ""
    mutual = loops(pairs)
    yield f"{len(mutual)} loops between two folders" + (": " if mutual else "")
    yield from (f"  {a} <-> {b}: {pairs[a, b]} and {pairs[b, a]} imports" for a, b in mutual)


def _mermaid(pairs: Counter[tuple[str, str]]) -> Iterator[str]:
    yield "graph TD"
    yield from (f"    {a} --> {b}" for a, b in sorted(pairs))


def main() -> None:
    """Print the graph of this tree or of a commit."""
    parser = argparse.ArgumentParser(description="Print which folder imports which.")
    parser.add_argument("revision", nargs="?", default="", help="commit to read in place of this tree")
    parser.add_argument("--mermaid", action="store_true", help="print a Mermaid graph")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = ROOT
        if options.revision:
            root = Path(folder)
            packed = subprocess.run(["git", "archive", options.revision], cwd=ROOT, capture_output=True, check=True)
            with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
                archive.extractall(root, filter="data")
        counted = edges(root)
    sys.stdout.write("\n".join(_mermaid(counted) if options.mermaid else _lines(counted)) + "\n")


if __name__ == "__main__":
    main()
