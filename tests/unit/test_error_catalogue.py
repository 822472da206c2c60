"""Every error that a person can meet has an entry in the catalogue, and the catalogue has no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stepladder.core import errors

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))

import error_catalogue as catalogue  # noqa: E402
from markdown_tables import markdown_table  # noqa: E402


@pytest.fixture(scope="module")
def entries():
    return {kind: entry for section in catalogue.kinds().values() for kind, entry in section.items()}


def test_every_kind_of_error_is_described_and_no_other(entries):
    made = {place.kind for place in catalogue.raised()} | {each.kind for each in catalogue.classes().values()}
    assert made - set(entries) == set(), "describe it in docs/errors.yaml"
    assert set(entries) - made == set(), "nothing in the code is of this kind"


def test_every_class_of_errors_is_read():
    loaded = [errors.StepladderError]
    for each in loaded:
        loaded += each.__subclasses__()
    known = catalogue.classes()
    for each in loaded:
        if each.__module__.startswith(catalogue.PACKAGES):
            found = known[each.__name__]
            assert (found.kind, found.exit_code) == (each.kind, int(each.exit_code)), each.__name__


def test_every_entry_says_what_it_means_why_and_how_to_fix_it(entries):
    for kind, entry in entries.items():
        assert set(entry) == {"means", "why", "fix"}, kind
        assert all(text.endswith(".") and text[0] in f"`{text[0].upper()}" for text in entry.values()), kind


def test_every_hint_of_the_code_stands_in_the_page_under_its_kind():
    page = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
    sections = {part.partition("\n")[0]: part for part in page.split("\n### ")[1:]}
    places = catalogue.raised()
    assert len(places) > 200
    for place in places:
        if place.message.strip("<>. "):
            words = catalogue.literal(place.message), catalogue.literal(place.hint)
            assert markdown_table(words, ()).splitlines()[0] in sections[place.kind], place.where


def test_what_was_typed_wrong_is_always_exit_code_2():
    assert {place.exit_code for place in catalogue.raised() if place.kind == "bad-arguments"} == {2}


def test_an_error_has_the_kind_of_its_class_unless_it_names_one():
    assert errors.RefusedError("no").kind == "refused"
    assert errors.RefusedError("no", kind="nothing-live").kind == "nothing-live"
