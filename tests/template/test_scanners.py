"""The settings for scanners: the repository's own, and those that a project gets."""

import re

import yaml

from stepladder.core import resources

OWN = resources.folder("template").parent / ".checkov.yaml"
RULE = re.compile(r"  - (CKV2?_\w+)( # .+)?")


def test_a_project_refuses_what_the_modules_refuse(new_project):
    settings = yaml.safe_load((new_project() / ".checkov.yaml").read_text(encoding="utf-8"))
    assert settings == yaml.safe_load(OWN.read_text(encoding="utf-8"))
    assert settings["framework"] == ["terraform"]


def test_every_rule_that_is_left_out_has_a_reason():
    """Its own, or that of the comment which begins its group."""
    reason = ""
    for line in OWN.read_text(encoding="utf-8").partition("skip-check:\n")[2].splitlines():
        found = RULE.fullmatch(line)
        if not found:
            assert line.startswith("  # "), line
            reason = line
        assert reason
        assert not found or len(found[2] or "") > 20 or len(reason) > 40, line
    skipped = yaml.safe_load(OWN.read_text(encoding="utf-8"))["skip-check"]
    assert {"CKV_AWS_50", "CKV_AWS_115", "CKV_AWS_285"} <= set(skipped)
    assert len(skipped) == len(set(skipped))
