"""What reads others' bytes ends with its own error, in one line and in time, and writes nowhere else.

Made-up and mutated inputs: the same each time, many more by chance with `--long`.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fuzzing
import pytest
import yaml
from hypothesis import strategies as st

from localcloud.access import signatures
from localcloud.authorization.documents import parse_policy
from localcloud.cloud import ServiceError
from localcloud.http import request as http
from localcloud.launchers import unpack
from localcloud.services.ecr.store import ImageStore, RepositoryKey, StoreError
from localcloud.services.lambda_.actions import permissions
from localcloud.services.lambda_.triggers import sqs_records, url_events, url_responses
from localcloud.services.stepfunctions.asl import choice, intrinsics, rules, validate
from localcloud.services.stepfunctions.asl.errors import StateError
from localcloud.services.stepfunctions.asl.paths import Scope
from stepladder.core import schedules, text
from stepladder.core.errors import StepladderError
from stepladder.images import check
from stepladder.images.base import files as base_files
from stepladder.images.dockerfile import read as dockerfile_read
from stepladder.images.parsers import dockerfile, run_command, words
from stepladder.images.requirements import pip_file
from stepladder.images.requirements import read as requirements

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr", "ignore:Duplicate name")
ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def only(*kinds: type[Exception]) -> Iterator[None]:
    """Let errors of these kinds pass that say something in one line."""
    try:
        yield
    except kinds as error:
        message = str(getattr(error, "message", "") or getattr(error, "cause", "") or error)
        assert message.strip(), "an error without a message"
        if isinstance(error, StepladderError):
            assert "\n" not in message, "a message of several lines"


# Dockerfiles

LINES = [
    "FROM public.ecr.aws/lambda/python:3.13\n",
    "FROM scratch AS a\n",
    "ARG V=1\n",
    "FROM base:${V:-2}\n",
    "# escape=`\n",
    "# syntax=docker/dockerfile:1\n",
    "RUN pip install -r requirements.txt --target ${LAMBDA_TASK_ROOT}\n",
    "RUN mkdir -p /a && rm -rf /b; chmod 755 /c\n",
    "COPY --from=a --chmod=644 app/ ./\n",
    'COPY ["a b", "c"]\n',
    "ENV A=1 B=\"x y\" C='z'\n",
    "ENV A the rest\n",
    "LABEL a=b\n",
    "WORKDIR /var/task\n",
    'CMD ["app.handler.handler"]\n',
    "CMD app.handler\n",
    "ENTRYPOINT []\n",
    "RUN <<EOF\necho\nEOF\n",
    "COPY <<-'E' /x\n\ta\n\tE\n",
    *(
        "\\\n",
        "\\",
        "`\n",
        "\n",
        "\r\n",
        "\t",
        " ",
        "#",
        "\\ \n",
        "--",
        "=",
        '"',
        "'",
        "$",
        "${",
        "}",
        ":-",
        "[",
        "]",
        "<<",
    ),
    *("\x1c", "\x85", "\u2028", "\ufeff", "\0", "é", "٣"),
]


def corpus() -> list[str]:
    """Return the Dockerfiles that both builders are compared on."""
    files = sorted((ROOT / "tests" / "docker" / "corpus").glob("*.yaml"))
    found = [text for file in files for text in _texts(yaml.safe_load(file.read_text())) if "FROM" in text]
    assert found
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def a_dockerfile(content: str) -> None:
    with only(StepladderError):
        parsed = dockerfile.instructions(
            text.decode(content.encode("utf-8", "replace"), "f/Dockerfile", comments=True), "f"
        )
        for instruction in parsed:
            assert instruction.word in dockerfile.INSTRUCTIONS
            with only(words.WordError):
                words.expand(instruction.rest, {"A": "1"}, instruction.escape)
            with only(words.WordError):
                words.pairs(instruction.rest, instruction.escape, instruction.word)
            words.json_list(instruction.rest)
            with only(run_command.NeedsEngineError):
                for command in run_command.commands(instruction.rest, {"A": "1", "LAMBDA_TASK_ROOT": "/var/task"}):
                    arguments = run_command.pip_arguments(command)
                    if arguments is not None:
                        run_command.pip_install(arguments)


def an_outline(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Dockerfile"
        path.write_bytes(content.encode("utf-8", "replace"))
        with only(StepladderError):
            dockerfile_read.outline(path, {"V": "3"})


def test_a_dockerfile_is_read_or_refused(request: pytest.FixtureRequest) -> None:
    made = fuzzing.mixed(LINES, 20)
    whole = fuzzing.damaged(*(each.encode() for each in corpus())).map(lambda raw: raw.decode("utf-8", "replace"))
    fuzzing.tried(request, made | whole, a_dockerfile, 100)
    fuzzing.tried(request, made | whole, an_outline, 40)


# requirements

PINS = [
    "boto3==1.40.0 \\\n    --hash=sha256:" + "a" * 64 + "\n",
    "-r other.txt\n",
    "-c limits.txt\n",
    "--index-url https://x/simple\n",
    "requests[socks,use]>=2,<3 ; python_version < '3.13'\n",
    "a @ https://x/a-1-py3-none-any.whl#sha256=" + "b" * 64 + "\n",
    "./a.whl\n",
    "-e .\n",
    "${NAME}\n",
    *(
        "\\\n",
        "#",
        ";",
        "@",
        "[",
        "]",
        "==",
        "--",
        "-",
        "-r",
        "-r ",
        "\0",
        "\x1c",
        " ",
        "~",
        "/",
        "\n",
        "é",
        "=",
        "(",
        ")",
    ),
]


def a_requirements_file(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_bytes(content.encode("utf-8", "replace"))
        with only(StepladderError):
            requirements.read(path)
        with only(StepladderError):
            pip_file.read(path, "f/r.txt", {"NAME": "x"}, lambda _name: pip_file.Locked())


def test_a_requirements_file_is_read_or_refused(request: pytest.FixtureRequest) -> None:
    fuzzing.tried(request, fuzzing.mixed(PINS), a_requirements_file, 60)


# layers and packages

NAMES = [
    "a",
    "a/b",
    "../x",
    "/etc/x",
    "a/../../x",
    ".",
    "",
    "a/.wh.b",
    "a/.wh..wh..opq",
    ".wh..",
    "l",
    "l/x",
    "é",
    "a\0b",
    "a" * 300,
]
KINDS = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"Z"]
entries = st.lists(
    st.tuples(
        st.sampled_from(NAMES) | st.text(max_size=6),
        st.sampled_from(KINDS),
        st.sampled_from([*NAMES, "/", "..", "../..", "l/../.."]),
        st.binary(max_size=8),
        st.sampled_from([0o644, 0o4777, 0, 0o7777777]),
        st.sampled_from([0, 1, -1, 2**33, 2**70, 1e300]),
    ),
    max_size=6,
)


def tar_of(rows: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, link, content, mode, mtime in rows:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, link, mode & 0o7777
            member.pax_headers = {"mtime": str(mtime)}
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            with contextlib.suppress(ValueError, UnicodeError):
                archive.addfile(member, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return buffer.getvalue()


def zip_of(rows: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind, link, content, mode, _ in rows:
            info = zipfile.ZipInfo(name or "x")
            info.external_attr = ((0o120777 if kind == tarfile.SYMTYPE else mode) & 0xFFFF) << 16
            with contextlib.suppress(ValueError, UnicodeError):
                archive.writestr(info, link if kind == tarfile.SYMTYPE else content)
    return buffer.getvalue()


def unpacked(apply: Callable[[Path, Path], None]) -> Callable[[bytes], None]:
    """Unpack below a folder whose neighbours must stay as they are."""

    def checked(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as outer:
            around = Path(outer)
            inside = around / "in" / "root"
            inside.mkdir(parents=True)
            (around / "x").write_text("untouched")
            source = around / "blob"
            source.write_bytes(data)
            with only(unpack.UnpackError):
                apply(source, inside)
            assert sorted(path.name for path in around.iterdir()) == ["blob", "in", "x"]
            assert [path.name for path in (around / "in").iterdir()] == ["root"]
            assert (around / "x").read_text() == "untouched"

    return checked


layer = unpacked(lambda source, root: unpack.layers([source], root))
package = unpacked(unpack.zip_file)


def a_listing(data: bytes) -> None:
    blob = SimpleNamespace(local=lambda: data, digest="sha256:x")
    with only(StepladderError):
        base_files._read(SimpleNamespace(label="b", layers=[blob]))  # type: ignore[arg-type]


def test_a_layer_is_unpacked_inside_its_folder_or_refused(request: pytest.FixtureRequest) -> None:
    plain = [tar_of([(name, kind, "a", b"x", 0o644, 0)]) for name in ("a", "l") for kind in KINDS[:4]]
    squeezed = [gzip.compress(each, mtime=0) for each in plain]
    whole = entries.map(tar_of) | entries.map(tar_of).map(lambda data: gzip.compress(data, mtime=0))
    broken = fuzzing.damaged(*plain, *squeezed)
    fuzzing.tried(request, whole | broken, layer, 80)
    fuzzing.tried(request, whole | broken, a_listing, 40)


def test_a_package_is_unpacked_inside_its_folder_or_refused(request: pytest.FixtureRequest) -> None:
    whole = entries.map(zip_of)
    some = zip_of([("a", tarfile.REGTYPE, "", b"xyz" * 20, 0o644, 0), ("l", tarfile.SYMTYPE, "a", b"", 0, 0)])
    fuzzing.tried(request, whole | fuzzing.damaged(some), package, 80)


# manifests

MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "c" * 64, "size": 2},
    "layers": [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": "sha256:" + "d" * 64,
            "size": 3,
        }
    ],
    "subject": {"digest": "sha256:" + "e" * 64},
}
INDEX = {"manifests": [{"digest": "sha256:" + "c" * 64, "platform": {"architecture": "arm64"}}]}
CONFIG = {"architecture": "arm64", "config": {"Labels": {"a": "b"}, "Env": ["A=1"], "Cmd": ["x"]}}


def a_manifest(pair: tuple[Any, Any]) -> None:
    manifest, config = (fuzzing.bytes_of(each) for each in pair)
    registry = SimpleNamespace(host="h", manifest=lambda *_: (MANIFEST["mediaType"], manifest), blob=lambda *_: config)
    with only(StepladderError):
        check.read_back(registry, "r", "t", architecture="arm64")  # type: ignore[arg-type]


def a_pushed_manifest(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = ImageStore(Path(folder))
        key = RepositoryKey("1", "r", "n")
        with store.change(key) as index:
            index.blobs |= {"sha256:" + letter * 64: 1 for letter in "cd"}
        with only(StoreError):
            store.put(key, data, "", "t", immutable=lambda _tag: False)


def test_a_manifest_is_read_or_refused(request: pytest.FixtureRequest) -> None:
    pairs = st.tuples(fuzzing.mutated(MANIFEST, INDEX), fuzzing.mutated(CONFIG))
    fuzzing.tried(request, pairs, a_manifest, 80)
    documents = fuzzing.mutated(MANIFEST, INDEX).map(fuzzing.bytes_of)
    fuzzing.tried(request, documents | st.binary(max_size=8), a_pushed_manifest, 60)


# HTTP, and what functions get and answer


def a_head(data: bytes) -> None:
    with only(http.BadRequest):
        headers = http.read_headers(io.BufferedReader(io.BytesIO(data)))  # type: ignore[arg-type]
        environ: dict[str, Any] = {}
        for name, value in headers:
            environ[name.upper().replace("-", "_")] = value
        length = http.body_length(environ, chunked="chunked" in environ.get("TRANSFER_ENCODING", ""))
        assert length is None or length >= 0


def a_chunked_body(data: bytes) -> None:
    body = http.Body(io.BufferedReader(io.BytesIO(data)), None, None, expects=False)  # type: ignore[arg-type]
    with only(http.ClientGoneError):
        assert len(body.read()) <= len(data)


def an_answer(payload: bytes) -> None:
    answer = url_responses.mapped(payload)
    assert 200 <= answer.status < 600
    for name, value in answer.headers:
        assert "\n" not in name + value
        assert "\r" not in name + value


def an_event(parts: tuple[str, bytes, list[tuple[str, str]]]) -> None:
    query, body, headers = parts
    environ = {"REQUEST_METHOD": "POST", "QUERY_STRING": query, "stepladder.headers": headers}
    function: Any = SimpleNamespace(key=SimpleNamespace(account="1"))
    event = url_events.made(environ, function, "id", host="h", path="/", query=query, body=body, caller=None)
    json.dumps(event)
    for signed in ({"HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {query}"}, {}):
        with only(signatures.MalformedSignatureError):
            read = signatures.signature_of({**environ, "RAW_URI": f"/?{query}", **signed})
            assert read is None or not signatures.is_valid(read, "x", {**environ, "RAW_URI": f"/?{query}"}, body)


def test_a_request_is_read_or_refused(request: pytest.FixtureRequest) -> None:
    heads = fuzzing.damaged(
        b"Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n", b"Content-Length: 1, 1\r\n\r\n"
    )
    fuzzing.tried(request, heads | st.binary(max_size=40), a_head, 80)
    bodies = fuzzing.damaged(b"3\r\nabc\r\n0\r\n\r\n", b"a;x=y\r\n0123456789\r\n0\r\nT: r\r\n\r\n")
    fuzzing.tried(request, bodies, a_chunked_body, 80)


def test_whatever_a_function_answers_becomes_an_http_answer(request: pytest.FixtureRequest) -> None:
    answer = {
        "statusCode": 200,
        "headers": {"content-type": "a/b", "X": 1},
        "cookies": ["a=b"],
        "body": "aGk=",
        "isBase64Encoded": True,
    }
    fuzzing.tried(request, fuzzing.mutated(answer).map(fuzzing.bytes_of) | st.binary(max_size=20), an_answer, 80)
    failures = fuzzing.mutated({"batchItemFailures": [{"itemIdentifier": "a"}]}).map(fuzzing.bytes_of)
    known = {"a", "b"}
    fuzzing.tried(
        request,
        failures | st.binary(max_size=12),
        lambda payload: pytest.fail("unknown ids") if sqs_records.failures(payload, known) - known else None,
        100,
    )


def test_an_event_is_made_of_every_request(request: pytest.FixtureRequest) -> None:
    headers = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=12)), max_size=4)
    bodies = st.binary(max_size=12)
    fuzzing.tried(
        request,
        st.tuples(fuzzing.mixed(["a=b", "&", "%", "%zz", "=", "X-Amz-Credential="]), bodies, headers),
        an_event,
        100,
    )


def test_a_schedule_is_read_or_refused(request: pytest.FixtureRequest) -> None:
    pieces = [
        "rate(",
        "cron(",
        "at(",
        ")",
        "0 ",
        "* ",
        "? ",
        "L",
        "W",
        "#",
        "-",
        ",",
        "/",
        "MON",
        "JAN",
        "2026-01-01T00:00:00",
        "9" * 30,
    ]

    def a_schedule(expression: str) -> None:
        for read in (schedules.rate, schedules.cron, schedules.at):
            with only(schedules.ScheduleError):
                read(expression)

    fuzzing.tried(request, fuzzing.mixed(pieces), a_schedule, 80)


# the states language

DEFINITION = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"a.$": "$.b"}, "Next": "C"}
        | {"Retry": [{"ErrorEquals": ["E"]}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "F"}]},
        "C": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [{"Variable": "$.a", "NumericEquals": 1}, {"Not": {"Variable": "$.b", "IsPresent": True}}],
                    "Next": "M",
                }
            ],
            "Default": "W",
        },
        "M": {
            "Type": "Map",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "P",
                "States": {"P": {"Type": "Pass", "End": True}},
            },
            "End": True,
        },
        "W": {"Type": "Wait", "Seconds": 1, "Next": "R"},
        "R": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}],
            "End": True,
        },
        "F": {"Type": "Fail"},
    },
}
RULE = DEFINITION["States"]["C"]["Choices"][0]  # type: ignore[index]


def a_definition(document: Any) -> None:
    for problem in validate.problems(json.dumps(document)):
        assert problem.message
        assert problem.location.startswith("/")


def a_rule(pair: tuple[Any, Any]) -> None:
    rule, data = pair
    if not isinstance(rule, dict):
        return
    if not list(rules.rule_problems(rule, "")):
        with only(StateError):
            choice.is_met(rule, Scope(data, {}, {}))


def a_path(pair: tuple[str, Any]) -> None:
    path, data = pair
    with only(StateError):
        Scope(data, {"Execution": {}}, {"v": 1}).find(path)
    with only(StateError):
        intrinsics.evaluate(path, Scope(data, {}, {}))


def test_a_definition_is_read_and_its_problems_said(request: pytest.FixtureRequest) -> None:
    assert validate.problems(json.dumps(DEFINITION)) == []
    fuzzing.tried(request, fuzzing.mutated(DEFINITION), a_definition, 120)
    fuzzing.tried(request, st.text(max_size=20), lambda text: [*validate.problems(text)] and None, 50)


def test_a_choice_is_made_or_its_rule_refused(request: pytest.FixtureRequest) -> None:
    patterns = {"Variable": "$.a", "StringMatches": "*a*\\**", "Next": "X"}
    times = {"Variable": "$.a", "TimestampLessThanPath": "$.b", "Next": "X"}
    made = fuzzing.mutated(RULE, patterns, times)
    fuzzing.tried(request, st.tuples(made, fuzzing.mutated({"a": "aaa", "b": "2026-01-01T00:00:00Z"})), a_rule, 80)


def test_a_path_finds_something_or_fails_the_state(request: pytest.FixtureRequest) -> None:
    pieces = [
        "$",
        "$$",
        "$.a",
        "[0]",
        "[-1]",
        "[*]",
        "[1:]",
        "..b",
        "['x']",
        "[?(@.a == 1)]",
        "$v",
        ".",
        "[",
        "]",
        "(",
        ")",
        ", ",
    ]
    pieces += [f"States.{name}(" for name in intrinsics.FUNCTIONS]
    pieces += ["'a'", "'{}'", "1", "-1", "0", "1e9", "99999999999", "null", "true", "''"]
    documents = st.one_of(fuzzing.values, st.just({"a": [1, 2, {"b": "c"}], "b": {"a": 1}}))
    fuzzing.tried(request, st.tuples(fuzzing.mixed(pieces, 8), documents), a_path, 150)


# policies


def test_a_permission_is_added_or_refused(request: pytest.FixtureRequest) -> None:
    params = {
        "StatementId": "s",
        "Principal": "s3.amazonaws.com",
        "Action": "lambda:InvokeFunction",
        "SourceArn": "arn:aws:s3:::b",
        "SourceAccount": "1",
        "PrincipalOrgID": "o",
        "FunctionUrlAuthType": "NONE",
        "InvokedViaFunctionUrl": True,
    }

    def a_permission(given: Any) -> None:
        if not isinstance(given, dict) or not {"StatementId", "Principal", "Action"} <= set(given):
            return
        function: Any = SimpleNamespace(key=SimpleNamespace(arn="arn"), policies={})
        with only(ServiceError):
            statement = permissions._statement(function, "", given)
            json.dumps(statement)
            function.policies[""] = SimpleNamespace(statements={"s": statement})
            parse_policy(permissions.document(function, "") or {})

    fuzzing.tried(request, fuzzing.mutated(params), a_permission, 60)
