"""The layers builder: the same bytes for the same inputs, and nothing that can't run."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import deflate
import needs
import pytest
from fakes import image_project as project

from stepladder.core.errors import BadInputError
from stepladder.core.image_facts import OCI_LAYER, OCI_MANIFEST
from stepladder.images.context.archive import write_layer
from stepladder.images.context.files import collect
from stepladder.images.key import input_key
from stepladder.images.layers import build as layers
from stepladder.images.model import LocalImage
from stepladder.settings.load import Settings

BUILD = """
import sys
from pathlib import Path
from fakes import image_project as project
from stepladder.images.layers import build as layers
from stepladder.images.key import input_key
settings = project.make(Path(sys.argv[1]), {"function/requirements.txt": Path(sys.argv[2]).read_text()})
image = layers.build(settings, project.base(), key=input_key(settings), commit="c0ffee")
print(image.digest, [layer.digest for layer in image.layers])
"""


def build(settings: Settings, **options: str) -> LocalImage:
    return layers.build(settings, project.base(), key=input_key(settings), commit=options.get("commit", "c0ffee"))


def names(image: LocalImage, layer: int = -1) -> list[str]:
    path = image.layers[layer].path
    assert path
    with tarfile.open(path) as tar:
        return tar.getnames()


def config(image: LocalImage) -> dict[str, object]:
    assert image.config.data
    return dict(json.loads(image.config.data))


def test_the_image_is_one_manifest_of_base_dependencies_and_code(tmp_path: Path) -> None:
    locked = project.requirements(tmp_path / "wheels", project.wheel(tmp_path / "wheels", "dep"))
    image = build(project.make(tmp_path / "p", {"function/requirements.txt": locked}))
    assert image.distributions == ("var/task/dep-1.0.dist-info",), "for the SBOM"
    manifest = json.loads(image.manifest)
    assert manifest["mediaType"] == OCI_MANIFEST
    assert [layer["mediaType"] for layer in manifest["layers"]] == [OCI_LAYER] * 3
    assert names(image, 1)[:3] == ["var", "var/task", "var/task/dep"]
    assert names(image) == ["var", "var/task", "var/task/app", "var/task/app/__init__.py", "var/task/app/handler.py"]
    said = config(image)
    running = said["config"]
    assert isinstance(running, dict)
    assert running["Cmd"] == ["app.handler.handler"]
    assert running["Entrypoint"] == ["/lambda-entrypoint.sh"]
    assert running["WorkingDir"] == "/var/task"
    assert running["Labels"]["org.opencontainers.image.revision"] == "c0ffee"
    assert running["Labels"]["dev.stepladder.base"] == "example.org/base:1@sha256:00"
    assert len(said["rootfs"]["diff_ids"]) == len(said["history"]) == 3  # type: ignore[index,arg-type]
    assert said["architecture"] == "amd64"


def test_diff_ids_are_those_of_the_tars_inside(tmp_path: Path) -> None:
    import hashlib

    image = build(project.make(tmp_path))
    path = image.layers[-1].path
    assert path
    inside = gzip.decompress(path.read_bytes())
    expected = f"sha256:{hashlib.sha256(inside).hexdigest()}"
    assert config(image)["rootfs"]["diff_ids"][-1] == expected  # type: ignore[index]


def test_two_machines_two_days_two_folders_make_the_same_digest(tmp_path: Path) -> None:
    locked = project.requirements(
        tmp_path / "wheels",
        project.wheel(tmp_path / "wheels", "dep", scripts=True),
        project.wheel(tmp_path / "wheels", "odd"),
    )
    (tmp_path / "requirements.txt").write_text(locked)
    outputs = []
    for folder, umask, zone, seed in (("one", 0o022, "UTC", "1"), ("a/deeper/two", 0o077, "Asia/Tokyo", "2")):
        environment = {
            **os.environ,
            "TZ": zone,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(Path(project.__file__).parents[1]),
        }
        argv = [sys.executable, "-c", BUILD, str(tmp_path / folder), str(tmp_path / "requirements.txt")]
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=60, check=True, umask=umask
        )
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith("sha256:")


def test_times_modes_and_the_order_of_creation_leave_no_trace(tmp_path: Path) -> None:
    first = build(project.make(tmp_path / "a"))
    settings = project.make(tmp_path / "b")
    handler = tmp_path / "b/function/app/handler.py"
    content = handler.read_text()
    handler.unlink()
    time.sleep(0.01)
    handler.write_text(content)
    handler.chmod(0o600)
    os.utime(handler, (1, 1))
    assert build(settings).digest == first.digest


def test_a_layer_is_the_same_from_another_python(tmp_path: Path) -> None:
    other = needs.another_python()[1]
    settings = project.make(tmp_path, {"function/app/data.bin": "x" * 300_000, f"function/app/{'long' * 40}.py": ""})
    context = settings.root / "function"
    ours = write_layer(collect(context), "var/task", tmp_path / "blobs")
    code = (
        "import sys; from pathlib import Path\n"
        "from stepladder.images.context.archive import write_layer\n"
        "from stepladder.images.context.files import collect\n"
        f"print(write_layer(collect(Path({str(context)!r})), 'var/task', Path({str(tmp_path / 'other')!r})).digest)"
    )
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/deflate").symlink_to(Path(deflate.__file__).parent)
    path = {"PYTHONPATH": os.pathsep.join([str(Path(layers.__file__).parents[3]), str(tmp_path / "packages")])}
    done = subprocess.run(
        [str(other), "-c", code], env=os.environ | path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ours.digest


def test_a_change_of_the_handler_changes_one_layer(tmp_path: Path) -> None:
    locked = project.requirements(tmp_path / "wheels", project.wheel(tmp_path / "wheels", "dep"))
    before = build(project.make(tmp_path / "p", {"function/requirements.txt": locked}))
    after = build(
        project.make(tmp_path / "p", {"function/requirements.txt": locked, "function/app/handler.py": "handler = 1\n"})
    )
    assert before.digest != after.digest
    assert [a.digest == b.digest for a, b in zip(before.layers, after.layers, strict=True)] == [True, True, False]


def test_a_change_of_the_handler_does_not_run_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = project.requirements(tmp_path / "wheels", project.wheel(tmp_path / "wheels", "dep"))
    build(project.make(tmp_path / "p", {"function/requirements.txt": locked}))
    monkeypatch.setattr("stepladder.core.process.run", lambda *_a, **_k: pytest.fail("uv was run"))
    settings = project.make(
        tmp_path / "p", {"function/requirements.txt": locked, "function/app/handler.py": "handler = 1\n"}
    )
    assert build(settings).layers


def test_ignored_files_and_secrets_are_not_in_the_image(tmp_path: Path) -> None:
    extra = {"function/app/.env": "SECRET=1", "function/app/key.pem": "k", "function/notes.txt": "n"}
    image = build(project.make(tmp_path, extra))
    assert not [name for name in names(image) if name.endswith((".env", ".pem", "notes.txt"))]


def test_copied_files_lie_where_docker_would_put_them(tmp_path: Path) -> None:
    dockerfile = (
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY app /var/task/app\nCOPY data.json models/ /opt/data/\n"
        'COPY data.json /var/task/renamed.json\nCMD ["app.handler.handler"]\n'
    )
    files = {
        "function/Dockerfile": dockerfile,
        "function/.dockerignore": "",
        "function/data.json": "{}",
        "function/models/a.bin": "a",
    }
    found = names(build(project.make(tmp_path, files)))
    assert {"opt/data/data.json", "opt/data/a.bin", "var/task/renamed.json", "var/task/app/handler.py"} <= set(found)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"function/Dockerfile": project.DOCKERFILE.replace("app.handler", "app.missing")},
            "would not hold the handler",
        ),
        ({"function/Dockerfile": project.DOCKERFILE.replace("COPY app ", "COPY lost ")}, "copies lost"),
        ({"function/.dockerignore": "*\n"}, "copies app"),
        (
            {"function/Dockerfile": project.DOCKERFILE.replace("FROM ${BASE_IMAGE}\n", "FROM debian:12\n")},
            "builds from debian:12",
        ),
    ],
    ids=["handler not in the image", "nothing to copy", "everything ignored", "another base"],
)
def test_an_image_that_could_not_run_is_refused_before_anything_is_sent(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInputError, match=said) as caught:
        build(project.make(tmp_path, files))
    assert caught.value.hint


def test_a_handler_from_a_dependency_is_found(tmp_path: Path) -> None:
    locked = project.requirements(tmp_path / "wheels", project.wheel(tmp_path / "wheels", "dep"))
    dockerfile = project.DOCKERFILE.replace("app.handler.handler", "dep.entry")
    assert build(project.make(tmp_path / "p", {"function/requirements.txt": locked, "function/Dockerfile": dockerfile}))


def test_the_dockerfiles_environment_wins_over_the_bases(tmp_path: Path) -> None:
    dockerfile = project.DOCKERFILE.replace("CMD", "ENV LAMBDA_TASK_ROOT=/elsewhere MODE=a\nCMD")
    running = config(build(project.make(tmp_path, {"function/Dockerfile": dockerfile})))["config"]
    assert running["Env"] == ["LAMBDA_TASK_ROOT=/elsewhere", "MODE=a"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("COPY app/ /var/task/dep/\nRUN pip install -r /b/requirements.txt -t .", "line 4 puts dep into its folder"),
        ("RUN pip install -r /b/requirements.txt -t .\nRUN pip install -r /b/requirements.txt -t .", "earlier pip"),
        ("RUN pip install -r /b/requirements.txt -t .\nCOPY app/handler.py /var/task/dep", "puts /var/task/dep there"),
        ("RUN pip install -r /b/requirements.txt -t /etc", "the base image has /etc/dep already"),
    ],
    ids=["code first", "twice", "a file for a folder", "the base's"],
)
def test_packages_that_meet_what_is_there_are_refused_with_their_line(tmp_path: Path, run: str, why: str) -> None:
    locked = project.requirements(tmp_path / "wheels", project.wheel(tmp_path / "wheels", "dep"))
    text = f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nCOPY requirements.txt /b/\n{run}\nCOPY app app\n"
    text += 'CMD ["app.handler.handler"]\n'
    settings = project.make(tmp_path / "p", {"function/requirements.txt": locked, "function/Dockerfile": text})
    with pytest.raises(BadInputError, match="pip install meets what is there") as caught:
        layers.build(settings, project.base(more=("etc/dep",)), key=input_key(settings), commit="c0ffee")
    assert why in str(caught.value)


def test_packages_without_a_target_go_to_the_bases_site_packages(tmp_path: Path) -> None:
    wheel = project.wheel(tmp_path / "wheels", "dep", scripts=True, more={"dep-1.0.data/data/share/n.txt": "n"})
    locked = project.requirements(tmp_path / "wheels", wheel)
    text = 'ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY . .\nRUN pip install -r requirements.txt\nCMD ["dep.main"]\n'
    image = build(project.make(tmp_path / "p", {"function/requirements.txt": locked, "function/Dockerfile": text}))
    found = names(image, 1)
    assert "var/lang/lib/python3.13/site-packages/dep/__init__.py" in found
    assert "var/lang/share/n.txt" in found
    assert not [name for name in found if "/bin" in name]


def test_a_handler_is_found_by_pythonpath(tmp_path: Path) -> None:
    text = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY app src/app\nENV PYTHONPATH=${LAMBDA_TASK_ROOT}/src\n"
    assert build(project.make(tmp_path, {"function/Dockerfile": text + 'CMD ["app.handler.handler"]\n'}))


def test_a_handler_beside_what_is_copied_is_refused_with_the_lines_to_add(tmp_path: Path) -> None:
    text = 'ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY app app\nCMD ["main.handler"]\n'
    with pytest.raises(BadInputError, match="would not hold the handler main") as caught:
        build(project.make(tmp_path, {"function/Dockerfile": text, "function/main.py": ""}))
    assert "`COPY main.py ${LAMBDA_TASK_ROOT}/`" in caught.value.hint
    assert "`!main.py` to function/.dockerignore" in caught.value.hint


def test_modes_owners_and_the_bases_own_folders_are_in_the_layer(tmp_path: Path) -> None:
    text = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY --chmod=0640 --chown=5:6 app/handler.py /tmp/h.py\n"
    text += (
        'COPY app app\nUSER 5\nEXPOSE 80\nSTOPSIGNAL 9\nHEALTHCHECK NONE\nMAINTAINER ann\nCMD ["app.handler.handler"]\n'
    )
    image = build(project.make(tmp_path, {"function/Dockerfile": text}))
    path = image.layers[-1].path
    assert path
    with tarfile.open(path) as tar:
        file, folder = tar.getmember("tmp/h.py"), tar.getmember("tmp")
    assert (file.mode, file.uid, file.gid, folder.mode) == (0o640, 5, 6, 0o1777)
    running = config(image)["config"]
    assert isinstance(running, dict)
    assert {name: running[name] for name in ("User", "ExposedPorts", "StopSignal", "Healthcheck")} == {
        "User": "5",
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "9",
        "Healthcheck": {"Test": ["NONE"]},
    }
    assert config(image)["author"] == "ann"


def test_a_package_beside_the_code_that_it_imports_is_built_or_refused_with_the_lines_to_add(tmp_path: Path) -> None:
    files = {
        "function/app/handler.py": "import json\nfrom shared.deep import tools\nfrom app import other\n",
        "function/app/other.py": "try:\n    import optional\nexcept ImportError:\n    pass\nimport botocore\n",
        "function/shared/deep/tools.py": "",
        "function/optional.py": "",
    }
    with pytest.raises(BadInputError, match="what the handler imports: shared") as caught:
        build(project.make(tmp_path, files))
    assert "`COPY shared ${LAMBDA_TASK_ROOT}/shared/` to function/Dockerfile" in caught.value.hint
    assert "`!shared` to function/.dockerignore" in caught.value.hint
    files["function/Dockerfile"] = project.DOCKERFILE.replace("CMD", "COPY shared ${LAMBDA_TASK_ROOT}/shared/\nCMD")
    assert build(project.make(tmp_path, {**files, "function/.dockerignore": ""}))
