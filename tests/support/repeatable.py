"""Hypothesis that draws the same inputs in each run, whatever else its process has imported."""

from __future__ import annotations

import pytest
from hypothesis.internal.conjecture.providers import Constants, HypothesisProvider


def without_local_constants(patch: pytest.MonkeyPatch) -> None:
    """Keep it from drawing constants of the project's modules.

    It reads those that are loaded, so a fixed seed gave other inputs where other tests had run before. No setting
    turns that off.
    """
    patch.setattr(HypothesisProvider, "_local_constants", Constants())
