"""What the simulation found, as the scripts that it was shrunk to."""

from __future__ import annotations

import pytest
from simulated_steps import Deploy, Promote, TimePasses

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.faults,
    pytest.mark.long("each has a test of its own of the very module that was wrong"),
]


def test_a_promotion_keeps_what_a_deploy_that_was_cut_off_left_to_write_down(simulated):
    simulated.begin(released=True)
    simulated.then(Deploy("staging", "better", "killed after call 6", remote=True))
    simulated.then(TimePasses(120))
    simulated.then(Promote())
    simulated.converge()
