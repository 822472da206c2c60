"""The tag of an image says where its sources stand: the commit, a piece of the key when they differ, the key alone."""

from __future__ import annotations

import subprocess

import pytest
from fakes import image_project as project
from fakes.image_world import World

from stepladder.errors import RefusedError
from stepladder.images import job


@pytest.fixture
def world(image_world: World) -> World:
    return image_world


def test_the_tag_is_the_commit(world: World) -> None:
    commit = world.commit()
    image = world.prepare()
    assert image.tag == commit
    assert world.tags == {commit: image.digest}


def test_a_dirty_tree_gets_a_tag_of_its_own(world: World) -> None:
    commit = world.commit()
    world.write({"function/app/handler.py": "handler = 1\n"})
    image = world.prepare()
    assert image.tag == f"{commit}-{image.input_key[:8]}"


@pytest.mark.parametrize("files", [{"README.md": "r"}, {"function/notes.txt": "n"}, {"function/app/a.pyc": "p"}])
def test_a_file_that_is_not_in_the_image_does_not_make_it_dirty(world: World, files: dict[str, str]) -> None:
    commit = world.commit()
    world.write(files)
    assert world.prepare().tag == commit


def test_a_file_that_git_ignores_but_the_image_holds_makes_it_dirty(world: World) -> None:
    world.write({".gitignore": "generated.py\n"})
    commit = world.commit()
    world.write({"function/app/generated.py": "g"})
    assert world.prepare().tag.startswith(f"{commit}-")


def test_a_file_that_was_deleted_makes_it_dirty(world: World) -> None:
    world.write({"function/app/extra.py": ""})
    commit = world.commit()
    (world.root / "function/app/extra.py").unlink()
    assert world.prepare().tag.startswith(f"{commit}-")


def test_a_project_in_a_folder_of_a_larger_repository_is_judged_by_its_own_files(world: World) -> None:
    top = world.root.parent
    world.root = top
    (top / ".gitignore").write_text("registry/\n.stepladder/\n")
    commit = world.commit()
    (top / "elsewhere.txt").write_text("no part of the project")
    assert world.prepare().tag == commit
    (top / "project/function/app/handler.py").write_text("handler = 1\n")
    assert world.prepare().tag.startswith(f"{commit}-")


def test_a_project_that_a_larger_repository_ignores_has_no_commit(world: World) -> None:
    world.root = world.root.parent
    (world.root / ".gitignore").write_text("*\n")
    world.commit()
    assert world.prepare().tag.startswith("key-")


def test_ci_refuses_what_no_commit_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.commit()
    monkeypatch.setenv("CI", "true")
    world.write({"function/app/handler.py": "handler = 1\n"})
    with pytest.raises(RefusedError, match=r"function/app/handler\.py"):
        world.prepare()
    assert world.registry.requests == []
    assert world.prepare(allow_dirty=True).pushed


def test_without_git_the_tag_comes_from_the_inputs(world: World) -> None:
    image = world.prepare()
    assert image.tag == f"key-{image.input_key[:40]}"


def test_a_tag_with_other_content_is_refused_before_anything_is_built(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.commit()
    world.prepare()
    monkeypatch.setattr(job, "_build", lambda _job: pytest.fail("built"))
    world.settings = project.make(world.root, image={"base": world.base}, python="3.12")
    world.git("checkout", "-q", ".")
    with pytest.raises(RefusedError, match="exists with other content"):
        world.prepare()


def test_a_submodule_counts_where_its_files_reach_the_image(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = tmp_path_factory.mktemp("library")
    (library / "lib.py").write_text("x = 1\n")
    (library / "notes.txt").write_text("n")
    world.write({"function/.dockerignore": "*\n!app\n!requirements.txt\n**/notes.txt\n"})
    world.commit()
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=library, check=True)
    world.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "function/app/vendor")
    commit = world.commit()
    vendor = world.root / "function/app/vendor"
    (vendor / "notes.txt").write_text("changed")
    assert world.prepare().tag == commit
    (vendor / "lib.py").write_text("x = 2\n")
    assert world.prepare().tag.startswith(f"{commit}-")
    world.git("submodule", "--quiet", "deinit", "--force", "--all")
    assert world.prepare().tag.startswith(f"{commit}-"), "the image lacks what the commit has"
