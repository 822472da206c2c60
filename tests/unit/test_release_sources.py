"""Which files make a release say `-dirty`: those that decide it, and no other."""

from __future__ import annotations

import pytest
from fakes.image_world import World

from stepladder.releases import sources

FILES = {
    "terraform/service/main.tf": "",
    "terraform/delivery/main.tf": "",
    "terraform/modules/service/function.tf": "",
    "tests/smoke/hello.json": "{}",
}


@pytest.fixture
def world(image_world: World) -> World:
    image_world.write({**FILES, ".gitignore": "*.auto.tfvars\n.terraform/\n.stepladder/\n"})
    image_world.commit()
    return image_world


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
        "tests/smoke/hello.json",
        "tests/smoke/new.json",
    ],
)
def test_what_decides_a_release_makes_it_dirty(world: World, path: str) -> None:
    assert not sources.commit(world.settings).dirty
    (world.root / path).write_text("changed")
    assert sources.commit(world.settings).changed == path


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
        "tests/smoke/README",
        "tests/test_handler.py",
    ],
)
def test_what_decides_no_release_leaves_it_clean(world: World, path: str) -> None:
    (world.root / path).parent.mkdir(exist_ok=True)
    (world.root / path).write_text("changed")
    found = sources.commit(world.settings)
    assert (found.changed, len(found.sha)) == ("", 40)


def test_a_lock_file_that_git_knows_counts_as_any_other(world: World) -> None:
    lock = world.root / "terraform/service/.terraform.lock.hcl"
    lock.write_text("one")
    world.commit()
    assert not sources.commit(world.settings).dirty
    lock.write_text("two")
    assert sources.commit(world.settings).dirty


def test_a_file_that_is_gone_counts(world: World) -> None:
    (world.root / "terraform/service/main.tf").unlink()
    (world.root / "tests/smoke/hello.json").unlink()
    assert sources.commit(world.settings).changed == "terraform/service/main.tf, tests/smoke/hello.json"
