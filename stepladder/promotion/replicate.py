"""Bring an image to every place of the ladder: a function takes its image from its own account and region."""

from __future__ import annotations

from stepladder import images
from stepladder.ledger.table import short
from stepladder.promotion.executions import Desk
from stepladder.settings import locations


def bring(desk: Desk, digest: str) -> None:
    """Copy what other places lack of an image from home's repository, digest and all; nothing when they have it.

    Raises `RefusedError` when home hasn't got it, `NotReadyError` when a place has no repository.
    """
    home, *away = desk.places
    if not away:
        return
    with desk.console.step("image") as step:
        sent = []
        for place in away:
            there = locations.of(place.settings, place.environment)
            step.progress(f"looking in {there}")
            if images.copy((home.aws, home.names), (place.aws, place.names), digest, home.settings.build_dir):
                sent.append(str(there))
        if sent:
            step.done(f"{short(digest)} copied to {', '.join(sent)}")
        else:
            step.skip(f"{short(digest)} is in every place")
