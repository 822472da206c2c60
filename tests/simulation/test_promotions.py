"""A machine plays operators, accidents and AWS's bad days, and compares what is promised with what is after each step.

A failure is shrunk to a script of `state.begin(...)` and `state.then(...)`. To replay it, write these lines as a test
of `test_replays.py`. `inv test --long --only tests/simulation` tries many more steps, with another seed each time.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from repeatable import without_local_constants
from simulated_commands import ENVIRONMENTS
from simulated_project import SOURCES, WAYS, SimulatedProject
from simulated_steps import (
    COMMANDS,
    AlarmFires,
    AtOnce,
    Breaks,
    Deploy,
    EditByHand,
    Intervene,
    Promote,
    RollBack,
    Step,
    Tidy,
    TimePasses,
)

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

FAULTS = ("throttle", "error", "cut", "cut_after", "delay_before", "delay", "access_denied", "malformed")
CALLS = (
    *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:TransactWriteItems"),
    *("dynamodb:BatchGetItem", "dynamodb:GetItem", "lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetFunction"),
    *("lambda:UpdateFunctionCode", "lambda:PublishVersion", "lambda:Invoke", "codedeploy:CreateDeployment"),
    *("codedeploy:GetDeployment", "codedeploy:StopDeployment", "codedeploy:ListDeployments"),
    *("stepfunctions:StartExecution", "stepfunctions:DescribeExecution", "stepfunctions:SendTaskSuccess"),
    *("stepfunctions:SendTaskFailure", "stepfunctions:StopExecution"),
)
environments, images, ways = st.sampled_from(ENVIRONMENTS), st.sampled_from(list(SOURCES)), st.sampled_from(list(WAYS))
commands, yes_or_no = st.sampled_from(list(COMMANDS)), st.booleans()


def cuts(most: int) -> st.SearchStrategy[str]:
    """Draw where a command is cut off, among its first calls that change something; often nowhere."""
    how, when = st.sampled_from(["killed", "interrupted"]), st.sampled_from(["before", "after"])
    return st.just("") | st.builds("{} {} call {}".format, how, when, st.integers(1, most))


OFTEN: list[st.SearchStrategy[Step]] = [
    st.builds(Deploy, environments, images, cuts(8), st.sampled_from(["one", "two"]), yes_or_no, yes_or_no),
    st.builds(Promote, ways, cuts(3), yes_or_no, yes_or_no, st.just("") | images),
    st.builds(Breaks, st.sampled_from(FAULTS), st.sampled_from(CALLS), st.integers(0, 2), st.sampled_from([1, 2, 50])),
    st.builds(RollBack, environments, cuts(5), yes_or_no, yes_or_no),
    st.builds(Intervene, st.sampled_from(["stop", "approve", "reject", "redrive", "abort"]), cuts(3)),
    st.builds(AtOnce, commands, commands, st.lists(st.integers(0, 1), max_size=12).map(tuple)),
]
SELDOM: list[st.SearchStrategy[Step]] = [
    st.builds(EditByHand, environments, st.integers(0, 2)),
    st.builds(AlarmFires, environments),
    st.builds(TimePasses, st.sampled_from([20, 120, 2400, 90000])),
    st.builds(Tidy, st.sampled_from(["prune", "tag", "unmark"]), images),
]
steps = st.one_of(*OFTEN, *OFTEN, *SELDOM)


class Promotions(RuleBasedStateMachine):
    """One project, from a beginning on, until one more command has brought all to an end.

    What is drawn never depends on what the project has come to, so that a run can be repeated.
    """

    project: ClassVar[SimulatedProject]

    @initialize(released=yes_or_no, skew=st.sampled_from([0, 0, -4000, 4000]))
    def begin(self, released: bool, skew: int) -> None:
        self.project.begin(released=released, skew=skew)

    @rule(step=steps)
    def then(self, step: Step) -> None:
        self.project.then(step)

    def teardown(self) -> None:
        if not self.project.failed:
            self.project.converge()


SEED = 62  # of the default form: five stories in which much happens
FIXED = settings(
    max_examples=5,
    stateful_step_count=6,
    database=None,
    deadline=None,  # a step is a few real commands, and the machine may be busy
    suppress_health_check=list(HealthCheck),  # for the same reason
    phases=(Phase.generate, Phase.shrink),
    print_blob=True,
)
LONG = settings(FIXED, max_examples=40, stateful_step_count=12)


def play(project: SimulatedProject, form: settings, number: int | None = None) -> None:
    """Play a form; one with a number plays the same stories each time."""
    machine = type("Promotions", (Promotions,), {"project": project})
    if number is not None:
        seed(number)(machine)
    run_state_machine_as_test(machine, settings=form)


def test_no_promise_is_broken_by_what_operators_and_aws_do(simulated, record_property, monkeypatch):
    without_local_constants(monkeypatch)
    play(simulated, FIXED, SEED)
    record_property("tried", simulated.tried())


@pytest.mark.long("the same machine with fewer steps, and always the same ones")
@pytest.mark.timeout(3000)
def test_no_promise_is_broken_in_the_long_run(simulated, record_property):
    play(simulated, LONG)
    record_property("tried", simulated.tried())
