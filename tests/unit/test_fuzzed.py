"""What made-up input once found: each with the answer that it must get."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.launchers import unpack
from localcloud.services.ecr.store import ImageStore, RepositoryKey, StoreError
from localcloud.services.stepfunctions.asl import choice, intrinsics
from localcloud.services.stepfunctions.asl.errors import StateError
from localcloud.services.stepfunctions.asl.paths import Scope
from localcloud.services.stepfunctions.asl.validate import problems
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.images import check
from stepladder.images.base import files as base_files
from stepladder.images.parsers import words
from stepladder.images.parsers.dockerfile import instructions

DIGEST = "sha256:" + "c" * 64
PART = {"digest": DIGEST, "size": 1, "mediaType": "m"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("$é", ""), ("${é}x", "x"), ("$Aé", ""), ("$A²", "1²"), ("$٣x", "x"), ("$A.b", "1.b")],
)
def test_a_variable_s_name_has_letters_of_any_script_as_in_buildkit(text: str, value: str) -> None:
    assert words.expand(text, {"A": "1"}) == value


def test_variables_inside_each_other_end() -> None:
    with pytest.raises(words.WordError, match="inside each other"):
        words.expand("${a:-" * 5000 + "}" * 5000, {})


def test_a_list_of_lists_of_lists_is_no_list_of_texts() -> None:
    assert words.json_list("[" * 100_000) is None


@pytest.mark.parametrize("separator", ["\x1c", "\x1d", "\x1e", "\x1f"])
def test_what_only_python_takes_for_a_blank_is_refused(separator: str) -> None:
    with pytest.raises(BadInputError, match="f:2: a control character"):
        instructions(f"FROM a\nCOPY x{separator}y /\n", "f")
    assert len(instructions(f"# a{separator}b\nFROM a\n", "f")) == 1


def tar(**headers: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a")
        member.pax_headers, member.size = headers, 200_000
        archive.addfile(member, io.BytesIO(bytes(range(250)) * 800))
    return buffer.getvalue()


def damaged() -> bytes:
    data = bytearray(gzip.compress(tar(), mtime=0))
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff" * 40
    return bytes(data)


@pytest.mark.parametrize("data", [damaged(), tar(mtime="1e300")], ids=["damaged gzip", "a time beyond all"])
def test_a_layer_that_breaks_in_the_middle_is_one_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "blob").write_bytes(data)
    with pytest.raises(unpack.UnpackError):
        unpack.layers([tmp_path / "blob"], tmp_path / "root")


def test_a_layer_of_a_base_that_breaks_in_the_middle_is_bad_input() -> None:
    blob = SimpleNamespace(local=damaged, digest=DIGEST)
    base: Any = SimpleNamespace(label="b", layers=[blob])
    with pytest.raises(BadInputError, match="can't be read"):
        base_files._read(base)


@pytest.mark.parametrize("mode", [0o100644, 0o120777])
def test_a_package_whose_entry_is_the_folder_itself_is_refused_and_removes_nothing(tmp_path: Path, mode: int) -> None:
    entry = zipfile.ZipInfo(".")
    entry.external_attr = mode << 16
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr(entry, "a")
    (tmp_path / "root").mkdir()
    with pytest.raises(unpack.UnpackError, match="names the folder itself"):
        unpack.zip_file(tmp_path / "p.zip", tmp_path / "root")
    assert (tmp_path / "root").is_dir()


def test_a_package_that_is_encrypted_or_of_an_unknown_compression_is_one_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "x")
    for at, value in ((6, 1), (8, 99)):  # flags, compression: in the local header and in the directory
        data = bytearray(buffer.getvalue())
        data[at] = data[data.index(b"PK\x01\x02") + at + 2] = value
        (tmp_path / "p.zip").write_bytes(data)
        with pytest.raises(unpack.UnpackError):
            unpack.zip_file(tmp_path / "p.zip", tmp_path / "root")


def test_a_package_with_a_file_without_a_name_is_one_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "")
    data = bytearray(buffer.getvalue())
    at = data.index(b"PK\x01\x02")
    data[at + 28] = 0  # the length of the name
    del data[at + 46]
    data[at + 46 + 12] -= 1  # the size of the directory
    (tmp_path / "p.zip").write_bytes(data)
    with pytest.raises(unpack.UnpackError, match="has no name"):
        unpack.zip_file(tmp_path / "p.zip", tmp_path / "root")


@pytest.mark.parametrize(
    ("manifest", "config"),
    [
        ([], {}),
        ({}, {}),
        ({"config": PART}, {}),
        ({"config": PART, "layers": [{**PART, "size": "1"}]}, {}),
        ({"config": {**PART, "digest": 1}, "layers": []}, {}),
        ({"config": PART, "layers": [PART]}, []),
        ({"config": PART, "layers": [PART]}, {"config": {"Labels": "x"}}),
    ],
    ids=json.dumps,
)
def test_a_manifest_of_another_shape_is_refused(manifest: Any, config: Any) -> None:
    registry: Any = SimpleNamespace(
        host="h",
        manifest=lambda *_: ("application/vnd.oci.image.manifest.v1+json", json.dumps(manifest).encode()),
        blob=lambda *_: json.dumps(config).encode(),
    )
    with pytest.raises(RefusedError, match="is malformed"):
        check.read(registry, "r", "t")


@pytest.mark.parametrize(
    "document",
    [
        {"config": {**PART, "size": None}, "layers": []},
        {"config": {**PART, "size": -1}, "layers": []},
        {"config": PART, "layers": [], "subject": {"digest": 1}},
        {"config": PART, "layers": [], "artifactType": 7},
        {"manifests": [{"digest": {}}]},
    ],
    ids=json.dumps,
)
def test_a_manifest_that_is_pushed_with_another_shape_is_invalid(tmp_path: Path, document: Any) -> None:
    store, key = ImageStore(tmp_path), RepositoryKey("1", "r", "n")
    with store.change(key) as index:
        index.blobs[DIGEST] = 1
    with pytest.raises(StoreError) as refused:
        store.put(key, json.dumps(document).encode(), "", "t", immutable=lambda _tag: False)
    assert refused.value.code == "MANIFEST_INVALID"


@pytest.mark.parametrize(
    "change",
    [
        {"Type": ["Pass"]},
        {"Next": ["A"], "End": False},
        {"Catch": {"Next": "A"}},
        {"Catch": [None]},
        {"Retry": [{"ErrorEquals": "States.ALL"}]},
        {"Retry": [{"ErrorEquals": ["E"], "MaxAttempts": "3"}]},
        {"Type": "Task", "Resource": None},
        {"Type": "Choice", "Choices": 3},
        {"Type": "Choice", "Choices": [{"And": None, "Next": "A"}]},
        {"Type": "Choice", "Choices": [{"Variable": 1, "IsNull": True, "Next": "A"}]},
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "StringMatches": 1, "Next": "A"}]},
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEqualsPath": 1, "Next": "A"}]},
        {"Type": "Parallel", "Branches": [None]},
        {"Type": "Map", "ItemProcessor": [1]},
        {"Type": "Map", "ItemProcessor": {"ProcessorConfig": "INLINE"}},
    ],
    ids=json.dumps,
)
def test_a_definition_of_another_shape_has_a_problem_and_breaks_nothing(change: dict[str, Any]) -> None:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True, **change}}}
    assert problems(json.dumps(definition))


@pytest.mark.parametrize("text", ["[" * 100_000, "3", "null", '{"StartAt": [], "States": {"A": 1}}'])
def test_a_definition_that_is_none_has_a_problem(text: str) -> None:
    assert problems(text)


@pytest.mark.timeout(20)
def test_a_pattern_of_many_stars_ends() -> None:
    rule = {"Variable": "$.a", "StringMatches": "*a" * 40 + "b"}
    assert not choice.is_met(rule, Scope({"a": "a" * 5000}, {}, {}))
    assert choice.is_met({"Variable": "$.a", "StringMatches": r"x*\**y"}, Scope({"a": "xab*cy"}, {}, {}))
    assert not choice.is_met({"Variable": "$.a", "StringMatches": "aa*a"}, Scope({"a": "aa"}, {}, {}))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "States.ArrayRange(0, 1000000000000, 1)",
        "States.StringSplit('a', '')",
        "States.Base64Encode(1)",
        "States.Hash('a', 1)",
        "States.MathAdd('a', 1)",
    ],
)
def test_an_intrinsic_function_on_nonsense_fails_the_state_and_ends(text: str) -> None:
    with pytest.raises(StateError):
        intrinsics.evaluate(text, Scope({}, {}, {}))
