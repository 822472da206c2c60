"""A project can be made from a git URL, an abbreviation, a zip, a folder or a package, and remembers which."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stepladder.commands.checks import tool
from stepladder.core import resources

DEFAULTS = ("--no-input",)


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """Build a git repository of what a template needs: itself, the modules, the names."""
    root = tmp_path_factory.mktemp("origin") / "stepladder.git"
    source = resources.folder("template").parent
    junk = shutil.ignore_patterns("__pycache__", ".terraform*")
    for name in ("template", "terraform", "function"):
        shutil.copytree(source / name, root / name, ignore=junk)
    shutil.copytree(source / "stepladder", root / "stepladder", ignore=junk)
    for name in ("pyproject.toml", ".gitattributes", ".git_archival.txt", "README.md", "LICENSE"):
        shutil.copyfile(source / name, root / name)
    (root / "docs").mkdir()
    shutil.copyfile(source / "docs/errors.yaml", root / "docs/errors.yaml")
    shutil.copytree(source / "docs/reference/schemas", root / "docs/reference/schemas")
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com"}
    who |= {key.replace("AUTHOR", "COMMITTER"): value for key, value in who.items()}
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "first"), ("tag", "v1")):
        subprocess.run(["git", *arguments], cwd=root, env={**os.environ, **who}, check=True, timeout=30)
    return root


@pytest.fixture(scope="session")
def head(repository):
    argv = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_from_a_git_url_the_commit_is_pinned(repository, head, tmp_path):
    project = generate(f"file://{repository}", cwd=tmp_path)

    assert requirement(project) == f"stepladder[local] @ git+file://{repository}@{head}"
    assert origin(project)["commit"] == head


def test_from_a_tag_its_commit_is_pinned_and_the_tag_remembered(repository, head, tmp_path):
    project = generate(f"git+file://{repository}", "--checkout", "v1", cwd=tmp_path)

    assert requirement(project).endswith(f"@{head}")
    assert origin(project)["checkout"] == "v1"


def test_from_an_abbreviation_the_url_behind_it_is_pinned(repository, head, tmp_path, empty_home):
    (empty_home / ".cookiecutterrc").write_text(f'abbreviations: {{mine: "file://{repository.parent}/{{0}}.git"}}\n')
    project = generate("mine:stepladder", cwd=tmp_path)

    assert requirement(project) == f"stepladder[local] @ git+file://{repository}@{head}"


def test_from_the_name_of_an_earlier_clone_its_origin_is_pinned(repository, head, tmp_path):
    generate(f"file://{repository}", cwd=tmp_path)
    project = generate("stepladder", "--output-dir", "again", cwd=tmp_path, folder="again")

    assert requirement(project) == f"stepladder[local] @ git+file://{repository}@{head}"


def test_from_a_copy_that_another_tool_cloned_its_origin_is_pinned(repository, head, tmp_path, template, monkeypatch):
    """As cruft does: it clones to a temporary folder, and records the folder or URL that it was given."""
    monkeypatch.syspath_prepend(str(template))
    from stepladder_template import source

    clone = tmp_path / "temporary"
    subprocess.run(["git", "clone", "-q", str(repository), str(clone)], check=True, timeout=30)
    found = source.find(clone / "template", caller=tmp_path, answers={"_template": str(repository)})

    assert found.requirement == f"stepladder[local] @ git+file://{repository}@{head}"


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_from_a_zip_the_zip_is_pinned_and_its_commit_remembered(repository, head, tmp_path, relative):
    archive = tmp_path / "stepladder.zip"
    argv = ["git", "-C", str(repository), "archive", "--prefix=stepladder-1/", "-o", str(archive), "HEAD"]
    subprocess.run(argv, check=True, timeout=30)
    project = generate("stepladder.zip" if relative else str(archive), cwd=tmp_path)

    assert requirement(project) == f"stepladder[local] @ file://{archive}"
    assert origin(project)["commit"] == head


@pytest.mark.parametrize("form", ["absolute", "relative", "with a slash", "the template itself", "its parts"])
def test_from_a_folder_that_folder_is_named(repository, tmp_path, form):
    folder = os.path.relpath(repository, tmp_path)
    given = {
        "absolute": (str(repository), "--directory", "template"),
        "relative": (folder, "--directory", "template"),
        "with a slash": (f"{folder}/", "--directory", "template"),
        "the template itself": (f"{folder}/template",),
        "its parts": (f"{folder}/../stepladder.git", "--directory", "./template"),
    }[form]
    project = generate(*given, cwd=tmp_path, directory=False)

    assert requirement(project) == f"stepladder[local] @ file://{repository}"


def test_in_a_hook_of_another_repository_the_template_is_still_the_source(repository, head, tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", "other"], cwd=tmp_path, check=True, timeout=30)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    project = generate(str(repository), "git_init=true", cwd=tmp_path)

    assert requirement(project) == f"stepladder[local] @ file://{repository}"
    assert origin(project)["commit"] == head
    assert (project / ".git").is_dir()


def test_an_output_folder_elsewhere_changes_nothing(repository, tmp_path):
    (tmp_path / "here").mkdir()
    relative = os.path.relpath(repository, tmp_path / "here")
    project = generate(relative, "-o", "../there", cwd=tmp_path / "here", folder="../there")

    assert requirement(project) == f"stepladder[local] @ file://{repository}"


def test_a_template_without_its_repository_is_refused_and_leaves_nothing(repository, tmp_path):
    shutil.copytree(repository / "template", tmp_path / "copy/template")
    shutil.copytree(repository / "stepladder/core", tmp_path / "copy/stepladder/core")
    done = cookiecutter("copy/template", "-o", "out", cwd=tmp_path)

    assert done.returncode != 0
    assert "the Terraform modules foundation, service, delivery aren't in" in done.stderr
    assert "hint: generate from the whole repository" in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_credentials_in_a_url_stay_out_of_the_project(template, monkeypatch):
    monkeypatch.syspath_prepend(str(template))
    from stepladder_template import source

    assert source.without_credentials("https://me:secret@example.com/a/b.git") == "https://example.com/a/b.git"
    assert source.without_credentials("git+https://token@example.com/a") == "git+https://example.com/a"
    assert source.without_credentials("ssh://git@example.com/a") == "ssh://git@example.com/a"


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://example.com/a/b", "git+https://example.com/a/b"),
        ("git@example.com:a/b.git", "git+ssh://git@example.com/a/b.git"),
        ("ssh://git@example.com:22/a/b.git", "git+ssh://git@example.com:22/a/b.git"),
        ("/srv/git/b c.git", "git+file:///srv/git/b%20c.git"),
        ("git+https://example.com/a", "git+https://example.com/a"),
        ("", ""),
    ],
)
def test_any_remote_becomes_a_url_that_pip_takes(template, monkeypatch, remote, expected):
    monkeypatch.syspath_prepend(str(template))
    from stepladder_template import source

    assert source.pip_url(remote) == expected


@pytest.mark.parametrize(
    ("direct_url", "expected"),
    [
        (
            {
                "url": "https://u:p@example.com/s",
                "vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "v1"},
            },
            "stepladder[local] @ git+https://example.com/s@abc",
        ),
        ({"url": "file:///srv/s-1.whl", "archive_info": {}}, "stepladder[local] @ file:///srv/s-1.whl"),
        ({}, "stepladder[local]==9.9"),
    ],
    ids=["a commit", "a file", "an index"],
)
def test_from_an_installed_package_what_it_was_installed_from_is_pinned(
    template, tmp_path, monkeypatch, direct_url, expected
):
    monkeypatch.syspath_prepend(str(template))
    from stepladder_template import source

    class Package:
        version = "9.9"

        def read_text(self, _name):
            return json.dumps(direct_url) if direct_url else None

    monkeypatch.setattr(source.metadata, "distribution", lambda _name: Package())
    (tmp_path / "_data/template").mkdir(parents=True)

    assert source.find(tmp_path / "_data/template", caller=tmp_path, answers={}).requirement == expected


def test_git_is_initialised_only_when_asked_for(new_project):
    assert not (new_project() / ".git").exists()
    assert (new_project(project_slug="other", git_init=True) / ".git").is_dir()


def test_a_wheel_carries_the_whole_template(repository, template, tree, tmp_path):
    """Built and unpacked, not installed: the same Python runs `inv new` from what the wheel holds."""
    build = [tool("uv"), "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), "--no-build-logs", str(repository)]
    subprocess.run(build, check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "site", "zip")
    for name in ("template", "terraform/modules"):
        assert tree(tmp_path / "site/stepladder/_data" / name) == tree(repository / name)
    code = "import stepladder.scaffold.generate as g, pathlib, stepladder.core.resources as r, sys\n"
    code += "print(g.generate(r.folder('template'), pathlib.Path('out'), {}).notes[0])"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("created hello-ladder, which depends on stepladder[local]")


def generate(*arguments: str, cwd: Path, folder: str = ".", directory: bool = True) -> Path:
    done = cookiecutter(*arguments, *(("--directory", "template") if directory else ()), cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return (cwd / folder / "hello-ladder").resolve()


def cookiecutter(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "cookiecutter", *DEFAULTS, *arguments]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def requirement(project: Path) -> str:
    (found,) = (
        line
        for line in tomllib.loads((project / "pyproject.toml").read_text())["dependency-groups"]["dev"]
        if line.startswith("stepladder")
    )
    return found


def origin(project: Path) -> dict:
    return json.loads((project / ".cruft.json").read_text())
