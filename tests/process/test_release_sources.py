"""Which files make a release say `-dirty`: those that decide it, and no other."""

from __future__ import annotations

import pytest
from fakes.image_harness import ImageHarness

from stepladder.releases import sources

FILES = {
    "terraform/service/main.tf": "",
    "terraform/delivery/main.tf": "",
    "terraform/modules/service/function.tf": "",
    "policies/orders.json": "{}",
    "policies/README.md": "",
    "tests/smoke/hello.json": '{"expect": {"check": "answers.py:is_polite"}}',
    "tests/smoke/answers.py": "",
}


@pytest.fixture
def harness(image_harness: ImageHarness) -> ImageHarness:
    image_harness.write({**FILES, ".gitignore": "*.auto.tfvars\n.terraform/\n.stepladder/\n"})
    image_harness.commit()
    return image_harness


@pytest.mark.parametrize(
    "path",
    [
        "invoke.yaml",
        "function/app/handler.py",
        "function/requirements.txt",
        "function/Dockerfile",
        "terraform/service/main.tf",
        "terraform/service/new.tf",
        "terraform/service/secret.auto.tfvars",
        "terraform/modules/service/function.tf",
        "policies/orders.json",
        "policies/new.json",
        "tests/smoke/hello.json",
        "tests/smoke/new.json",
        "tests/smoke/answers.py",
    ],
)
def test_what_decides_a_release_makes_it_dirty(harness: ImageHarness, path: str) -> None:
    assert not sources.commit(harness.settings).dirty
    (harness.root / path).write_text("changed")
    assert sources.commit(harness.settings).changed == path


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "function/notes.txt",
        "function/requirements.in",
        "terraform/delivery/main.tf",
        "terraform/delivery/.terraform.lock.hcl",
        "terraform/service/.terraform.lock.hcl",
        "terraform/service/.terraform/modules.json",
        "policies/README.md",
        "tests/smoke/README",
        "tests/smoke/unnamed.py",
        "tests/test_handler.py",
    ],
)
def test_what_decides_no_release_leaves_it_clean(harness: ImageHarness, path: str) -> None:
    (harness.root / path).parent.mkdir(exist_ok=True)
    (harness.root / path).write_text("changed")
    found = sources.commit(harness.settings)
    assert (found.changed, len(found.sha)) == ("", 40)


def test_a_lock_file_that_git_knows_counts_as_any_other(harness: ImageHarness) -> None:
    lock = harness.root / "terraform/service/.terraform.lock.hcl"
    lock.write_text("one")
    harness.commit()
    assert not sources.commit(harness.settings).dirty
    lock.write_text("two")
    assert sources.commit(harness.settings).dirty


def test_a_file_that_is_gone_counts(harness: ImageHarness) -> None:
    (harness.root / "terraform/service/main.tf").unlink()
    (harness.root / "tests/smoke/hello.json").unlink()
    assert sources.commit(harness.settings).changed == "terraform/service/main.tf, tests/smoke/hello.json"
