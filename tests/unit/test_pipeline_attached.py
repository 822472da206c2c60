"""What promotions require of an image: the validate function refuses one without it, before anything moves."""

from __future__ import annotations

import pytest
from fakes.pipeline import refusal
from fakes.pipeline_calls import configure_validate, lock, validate

from stepladder.core.image_facts import PROVENANCE, SBOM, SIGNATURE


@pytest.fixture(autouse=True)
def environment(pipeline, monkeypatch, tmp_path):
    configure_validate(pipeline, monkeypatch, tmp_path)
    monkeypatch.setenv("REQUIRE", "sbom,signature")


def test_an_image_with_all_that_is_required_passes_whatever_page_it_is_on(pipeline):
    pipeline.aws.ecr.referrers = [PROVENANCE, SBOM, "application/x-other", SIGNATURE]
    assert validate(pipeline)["unchanged"] is False
    assert pipeline.aws.ecr.listed == 2


def test_an_image_that_lacks_something_is_refused_with_what_and_unlocked(pipeline):
    pipeline.aws.ecr.referrers = [SBOM]
    with pytest.raises(pipeline.errors.RefusedError, match=r"has no signature in orders, and promotion\.require asks"):
        validate(pipeline)
    assert lock(pipeline) == {}


def test_without_a_requirement_nothing_is_asked(pipeline, monkeypatch):
    monkeypatch.delenv("REQUIRE")
    validate(pipeline)
    assert pipeline.aws.ecr.listed == 0


def test_what_cannot_be_read_is_no_pass(pipeline):
    pipeline.aws.ecr.referrers = refusal("AccessDeniedException")
    with pytest.raises(Exception, match="AccessDenied"):
        validate(pipeline)


def test_a_throttled_call_is_made_again_by_the_state_machine(pipeline):
    pipeline.aws.ecr.referrers = refusal("ThrottlingException")
    with pytest.raises(pipeline.errors.TransientError):
        validate(pipeline)
