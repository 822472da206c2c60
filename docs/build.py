"""Build the site of the documentation into .stepladder/docs/html; `inv docs` calls this.

python docs/build.py [--check | --links | --serve]
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "docs" / "site"))

import diagrams  # noqa: E402 - beside this file
import pages  # noqa: E402

OUTPUT = ROOT / ".stepladder" / "docs"
_DEADLINE = 600


STRICT = ("--fail-on-warning", "--keep-going")


def check(output: Path = OUTPUT) -> None:
    """Read every page and follow every link and anchor; write no site. A warning is an error."""
    if stale := [each.name for each in diagrams.all_diagrams() if not each.is_fresh]:
        sys.exit(f"error: stale diagrams: {', '.join(stale)}\n\nhint: `python docs/site/diagrams.py`")
    pages.write(ROOT, output / "source")
    _sphinx(output, "dummy", *STRICT)


def build(output: Path = OUTPUT, *, only: Collection[str] | None = None) -> Path:
    """Build the site, and return its folder; `only` some pages of it, whose links to others lead nowhere."""
    pages.write(ROOT, output / "source", only)
    _sphinx(output, "html", *(STRICT if only is None else ["--define", "suppress_warnings=*"]))
    return output / "html"


def check_links(output: Path = OUTPUT) -> None:
    """Request every link to another host."""
    pages.write(ROOT, output / "source")
    _sphinx(output, "linkcheck")


def _sphinx(output: Path, builder: str, *flags: str) -> None:
    argv = [sys.executable, "-m", "sphinx", "--quiet", "--builder", builder, *flags]
    argv += ["--conf-dir", str(ROOT / "docs" / "site"), "--doctree-dir", str(output / "doctrees")]
    argv += ["--define", f"html_extra_path={output / 'source' / '_files'}"]
    done = subprocess.run([*argv, str(output / "source"), str(output / builder)], check=False, timeout=_DEADLINE)
    if done.returncode:
        sys.exit(done.returncode)


def serve(folder: Path, port: int) -> None:
    """Serve the site on this machine until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)  # noqa: T201 - a command of its own
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def main() -> None:
    """Do what the flags say; without one, build."""
    parser = argparse.ArgumentParser(description="Build the site of the documentation.")
    parser.add_argument("--check", action="store_true", help="read all pages, follow all links, write nothing")
    parser.add_argument("--links", action="store_true", help="request the links to other hosts")
    parser.add_argument("--serve", action="store_true", help="build and serve the site on this machine")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if options.check:
        check()
    elif options.links:
        check_links()
    else:
        folder = build()
        print(os.path.relpath(folder / "index.html"), flush=True)  # noqa: T201 - a command of its own
        if options.serve:
            serve(folder, options.port)


if __name__ == "__main__":
    main()
