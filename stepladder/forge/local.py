"""No forge: a person's own machine, or a CI provider that stepladder doesn't know."""

from __future__ import annotations

from stepladder.forge.interface import Forge


class Local(Forge):
    """A process that no known forge has started."""

    name = "no forge"

    def detect(self) -> bool:
        """Whether nothing else was found: it is the last one that is asked."""
        return True


FORGE = Local()
