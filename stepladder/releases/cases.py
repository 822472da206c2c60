"""Read a project's smoke cases, with their problems as bad input."""

from __future__ import annotations

from stepladder.errors import BadInputError
from stepladder.releases import smoke
from stepladder.releases.rung import Rung


def load_cases(rung: Rung) -> list[smoke.Case]:
    """Read the project's smoke cases before anything is done. `BadInputError` lists every problem."""
    folder = rung.settings.root / rung.settings.smoke_path
    try:
        return smoke.load(folder)
    except smoke.SmokeCasesError as error:
        raise BadInputError(
            "the smoke cases are not valid", hint=f"mend them in {folder}", problems=error.problems
        ) from None
