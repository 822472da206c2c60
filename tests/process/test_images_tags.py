"""The tag of an image says where its sources stand: the commit, a piece of the key when they differ, the key alone."""

from __future__ import annotations

import contextlib
import subprocess
from typing import Any

import pytest
from fakes import image_project as project
from fakes.image_harness import ImageHarness

from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.retry import RegistryError
from stepladder.images import pipeline


@pytest.fixture
def harness(image_harness: ImageHarness) -> ImageHarness:
    return image_harness


def test_the_tag_is_the_commit(harness: ImageHarness) -> None:
    commit = harness.commit()
    image = harness.prepare()
    assert image.tag == commit
    assert harness.tags == {commit: image.digest}


def test_a_dirty_tree_gets_a_tag_of_its_own(harness: ImageHarness) -> None:
    commit = harness.commit()
    harness.write({"function/app/handler.py": "handler = 1\n"})
    image = harness.prepare()
    assert image.tag == f"{commit}-{image.input_key[:8]}"


@pytest.mark.parametrize("files", [{"README.md": "r"}, {"function/notes.txt": "n"}, {"function/app/a.pyc": "p"}])
def test_a_file_that_is_not_in_the_image_does_not_make_it_dirty(harness: ImageHarness, files: dict[str, str]) -> None:
    commit = harness.commit()
    harness.write(files)
    assert harness.prepare().tag == commit


def test_a_file_that_git_ignores_but_the_image_holds_makes_it_dirty(harness: ImageHarness) -> None:
    harness.write({".gitignore": "generated.py\n"})
    commit = harness.commit()
    harness.write({"function/app/generated.py": "g"})
    assert harness.prepare().tag.startswith(f"{commit}-")


def test_a_file_that_was_deleted_makes_it_dirty(harness: ImageHarness) -> None:
    harness.write({"function/app/extra.py": ""})
    commit = harness.commit()
    (harness.root / "function/app/extra.py").unlink()
    assert harness.prepare().tag.startswith(f"{commit}-")


def test_a_project_in_a_folder_of_a_larger_repository_is_judged_by_its_own_files(harness: ImageHarness) -> None:
    top = harness.root.parent
    harness.root = top
    (top / ".gitignore").write_text("registry/\n.stepladder/\n")
    commit = harness.commit()
    (top / "elsewhere.txt").write_text("no part of the project")
    assert harness.prepare().tag == commit
    (top / "project/function/app/handler.py").write_text("handler = 1\n")
    assert harness.prepare().tag.startswith(f"{commit}-")


def test_a_project_that_a_larger_repository_ignores_has_no_commit(harness: ImageHarness) -> None:
    harness.root = harness.root.parent
    (harness.root / ".gitignore").write_text("*\n")
    harness.commit()
    assert harness.prepare().tag.startswith("key-")


def test_ci_refuses_what_no_commit_holds(harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.commit()
    monkeypatch.setenv("CI", "true")
    harness.write({"function/app/handler.py": "handler = 1\n"})
    with pytest.raises(RefusedError, match=r"function/app/handler\.py"):
        harness.prepare()
    assert harness.registry.requests == []
    assert harness.prepare(allow_dirty=True).pushed


def test_without_git_the_tag_comes_from_the_inputs(harness: ImageHarness) -> None:
    image = harness.prepare()
    assert image.tag == f"key-{image.input_key[:40]}"


def test_files_that_change_while_the_image_is_built_are_not_pushed_as_what_they_were(
    harness: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, handler = pipeline._build, harness.root / "function/app/handler.py"

    def overtaken(*job: Any) -> Any:
        handler.write_text("handler = 2\n")
        return build(*job)

    harness.prepare()
    before = harness.tags
    monkeypatch.setattr(pipeline, "_build", overtaken)
    handler.write_text("handler = 1\n")
    with pytest.raises(StepladderError, match="function/ changed while the image was built"):
        harness.prepare()
    assert harness.tags == before


def test_a_layer_that_was_damaged_on_this_machine_is_made_again(harness: ImageHarness) -> None:
    harness.write({"function/app/weights": "1" * (9 << 20), "function/app/more": "2" * (9 << 20)})
    before = harness.prepare()
    for path in (harness.settings.build_dir / "cache" / "blobs").iterdir():
        path.write_bytes(b"0" * path.stat().st_size)
    harness.registry.store.clear(harness.registry.key())
    for _ in range(3):
        with contextlib.suppress(RegistryError):
            assert harness.prepare().digest == before.digest
            return
    pytest.fail("it stays damaged")


def test_a_tag_with_other_content_is_refused_before_anything_is_built(
    harness: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.commit()
    harness.prepare()
    monkeypatch.setattr(pipeline, "_build", lambda *_: pytest.fail("built"))
    harness.settings = project.make(harness.root, image={"base": harness.base}, python="3.12")
    harness.git("checkout", "-q", ".")
    with pytest.raises(RefusedError, match="exists with other content"):
        harness.prepare()


def test_a_submodule_counts_where_its_files_reach_the_image(
    harness: ImageHarness, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = tmp_path_factory.mktemp("library")
    (library / "lib.py").write_text("x = 1\n")
    (library / "notes.txt").write_text("n")
    harness.write({"function/.dockerignore": "*\n!app\n!requirements.txt\n**/notes.txt\n"})
    harness.commit()
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=library, check=True)
    harness.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "function/app/vendor")
    commit = harness.commit()
    vendor = harness.root / "function/app/vendor"
    (vendor / "notes.txt").write_text("changed")
    assert harness.prepare().tag == commit
    (vendor / "lib.py").write_text("x = 2\n")
    assert harness.prepare().tag.startswith(f"{commit}-")
    harness.git("submodule", "--quiet", "deinit", "--force", "--all")
    assert harness.prepare().tag.startswith(f"{commit}-"), "the image lacks what the commit has"


def test_the_image_that_a_colleague_pushed_is_used_without_building(
    harness: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.commit()
    first = harness.prepare()
    (harness.settings.build_dir / "image.json").unlink()
    monkeypatch.setattr(pipeline, "_build", lambda *_: pytest.fail("built"))
    again = harness.prepare()
    assert again.digest == first.digest
    assert not again.pushed
