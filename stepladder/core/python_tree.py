"""Parse Python for one thread at a time: two at once may end in a `SystemError` on Python 3.11.

The interpreter counts the depth of all trees that are under construction in one place, and takes another thread's part
of it for a mistake of its own (https://github.com/python/cpython/issues/106905). The images of several functions are
checked at once, and `inv check` reads smoke cases beside them. What warns of a text is silenced for the whole process,
too. The packages of the pipeline's functions carry this file, so it imports the standard library only.
"""

from __future__ import annotations

import ast
import threading
import warnings

_ALONE = threading.Lock()


def parse(source: str | bytes, path: str = "<unknown>", version: tuple[int, int] | None = None) -> ast.Module:
    """Return the tree of a file, by the grammar of `version` or the running Python's; print no warning.

    Raises what `ast.parse` raises: `SyntaxError`, `ValueError`, `RecursionError`, `MemoryError`.
    """
    with _ALONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, path, feature_version=version)
