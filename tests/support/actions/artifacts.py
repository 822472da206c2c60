"""What the stand-ins for actions/upload-artifact and download-artifact do: copy through the folder ARTIFACTS."""

import fnmatch
import os
import shutil
import sys
from pathlib import Path


def upload() -> None:
    """Copy files; those below a hidden folder count only when the workflow says so, as of the real one."""
    given, kept = Path(os.environ["FILES"]), Path(os.environ["ARTIFACTS"]) / os.environ["NAME"]
    hidden = any(part.startswith(".") for part in given.parts) and os.environ["HIDDEN"] != "true"
    files = [] if hidden else [path for path in sorted(given.rglob("*")) if path.is_file()]
    if kept.exists():
        sys.exit(f"an artifact {kept.name} exists already")
    if not files:
        print(f"no files found at {given}")
        sys.exit(os.environ["WITHOUT"] == "error")
    for path in files:
        target = kept / path.relative_to(given)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def download() -> None:
    """Copy what the pattern names."""
    folder, artifacts = Path(os.environ["FOLDER"]), Path(os.environ["ARTIFACTS"])
    for kept in sorted(artifacts.iterdir()) if artifacts.is_dir() else ():
        if fnmatch.fnmatch(kept.name, os.environ["PATTERN"]):
            target = folder if os.environ["MERGE"] == "true" else folder / kept.name
            shutil.copytree(kept, target, dirs_exist_ok=True)


{"upload": upload, "download": download}[sys.argv[1]]()
