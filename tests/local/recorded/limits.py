"""How large code, requests and variables may be."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from recorded import scenario
from recorded.recorder import ECHO, Recorder

SIZE = "TestLambdaSizeLimits::test_"


def archive(size: int) -> bytes:
    """Zip a module of so many bytes, which compresses well."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as written:
        written.writestr("handler.py", ECHO + "#" * (size - len(ECHO)))
    return buffer.getvalue()


def stored(size: int) -> bytes:
    """Zip a module of so many bytes, uncompressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        written.writestr("handler.py", ECHO + "#" * (size - len(ECHO)))
    return buffer.getvalue()


def make(r: Recorder, label: str, **given: Any) -> None:
    r.create(label, r.name("test_lambda"), Handler="handler.handler", Timeout=10, **given)


def variables(r: Recorder, label: str, values: dict[str, str]) -> None:
    r.furnish(label, r.name("large-envvar-lambda"), Environment={"Variables": values})


@scenario(f"{SIZE}oversized_zipped_create_lambda")
def zipped(r: Recorder) -> None:
    make(r, "invalid_param_exc", Code={"ZipFile": stored(52_428_800 + 1)})


@scenario(f"{SIZE}oversized_unzipped_lambda")
def unzipped(r: Recorder) -> None:
    s3, bucket = r.cloud.client("s3"), r.bucket()
    s3.put_object(Bucket=bucket, Key="f.zip", Body=archive(262_144_000 + 1))
    make(r, "invalid_param_exc", Code={"S3Bucket": bucket, "S3Key": "f.zip"})


@scenario(f"{SIZE}large_environment_variables_fails")
def variable(r: Recorder) -> None:
    variables(r, "failed_create_fn_result", {"LARGE_VAR": "x" * (4096 - 6 - 9)})


@scenario(f"{SIZE}large_environment_fails_multiple_keys")
def two(r: Recorder) -> None:
    variables(r, "failured_create_fn_result_multi_key", {"SMALL_VAR": "ok", "LARGE_VAR": "x" * 4064})


@scenario(f"{SIZE}lambda_envvars_near_limit_succeeds")
def near(r: Recorder) -> None:
    variables(r, "successful_create_fn_result", {"LARGE_VAR": "x" * (4096 - 7 - 9)})
