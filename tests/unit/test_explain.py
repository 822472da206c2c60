"""`inv explain` says of every kind of error what the catalogue says, outside of a checkout too."""

from __future__ import annotations

import io
import json

import pytest

from stepladder.commands import explain
from stepladder.core import error_kinds
from stepladder.core.console import Console

KINDS = error_kinds.read()


@pytest.fixture
def shown():
    """Run `inv explain` and return its standard output; a terminal of no width, so that nothing is wrapped."""

    def run(kind="", *, as_json=False):
        out = io.StringIO()
        explain.show(kind, Console(out=out, err=io.StringIO(), as_json=as_json))
        return out.getvalue()

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_explained_by_what_it_means_why_and_how_to_fix_it(shown, kind):
    entry = KINDS[kind]
    assert shown(kind) == f"kind   {kind}\nmeans  {entry.means}\nwhy    {entry.why}\nfix    {entry.fix}\n"


def test_without_a_kind_all_of_them_are_listed(shown):
    lines = shown().splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(KINDS)


def test_a_kind_may_be_typed_as_the_message_shows_it(shown):
    assert shown("[locked]") == shown("locked")


def test_the_explanation_is_json_where_json_was_asked_for(shown):
    assert json.loads(shown("locked", as_json=True))["fix"] == KINDS["locked"].fix
    assert [each["kind"] for each in json.loads(shown(as_json=True))] == list(KINDS)
