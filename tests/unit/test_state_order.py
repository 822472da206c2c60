"""The definition reads from top to bottom: the path of a promotion that goes well, then the branches that leave it."""

from __future__ import annotations

import itertools

import pytest

from stepladder.promotion import definition as asl

MACHINE = asl.load()
STATES = list(asl.states(MACHINE))
STARTS = dict(asl.scopes(MACHINE))
GOOD_ENDS = {
    (): "Promoted",
    ("PromoteRungs",): "RungPromoted",
    ("PromoteRungs", "ReleaseTargets"): "TargetReleased",
    ("PromoteRungs", "FinishTargets"): "TargetFinished",
}
"""The state that the main path of each scope ends at."""
SCOPES = pytest.mark.parametrize("scope", STARTS, ids=lambda scope: "/".join(scope) or "execution")
QUESTIONS = ("Does", "Had", "Has", "Is", "Needs", "Was", "Which")


def graph(scope):
    return asl.graph(MACHINE, scope)


def leading_to(states, name):
    return [each for each, state in states.items() if name in state.nexts]


@SCOPES
def test_the_main_path_stands_first_and_each_of_its_states_leads_to_the_next(scope):
    states = graph(scope)
    path = asl.main_path(states)
    assert (path[0], path[-1]) == (STARTS[scope], GOOD_ENDS[scope])
    for name, after in itertools.pairwise(path):
        assert after in states[name].steps, f"{name} does not lead to {after}"


@SCOPES
def test_every_other_state_stands_after_all_states_that_lead_to_it_but_for_the_way_back_of_a_loop(scope):
    states = graph(scope)
    names = list(states)
    for name in asl.branches(states):
        for before in leading_to(states, name):
            goes_round = before in asl.reachable(states, name)
            assert names.index(before) < names.index(name) or goes_round, f"{before} leads to {name} and follows it"


@SCOPES
def test_branches_stand_in_the_order_of_the_last_main_state_that_they_leave(scope):
    states = graph(scope)
    path, branches = asl.main_path(states), asl.branches(states)
    assert [*path, *branches] == list(states)
    assert list(branches.values()) == sorted(branches.values(), key=path.index)


@SCOPES
def test_a_state_with_one_way_in_and_out_stands_beside_the_state_that_it_leads_to(scope):
    states = graph(scope)
    names = list(states)
    for name in asl.branches(states):
        after = states[name].steps
        private = {each for each in after if leading_to(states, each) == [name]}
        if private and private == after:
            assert names[names.index(name) + 1] in private, f"{name} is cut off from {private}"


def test_only_a_choice_asks_a_question():
    asking = {state.name for state in STATES if state.name.startswith(QUESTIONS)}
    assert asking == {state.name for state in STATES if state.kind == "Choice"}


def test_every_name_is_used_once():
    """Step Functions wants it so, and a history names a state without its scope."""
    names = [state.name for state in STATES]
    assert len(names) == len(set(names)) == 143
