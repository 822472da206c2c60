"""`inv image.verify`: what refers to the image that an environment serves, or to a digest."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.lambda_function import LambdaFunction
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.core.names import flags_of
from stepladder.images import attest_of
from stepladder.images.attest import verify as verifying
from stepladder.images.attest.attach import wanted
from stepladder.releases.rung import Rung

_DIGEST = "sha256:"
_LENGTH = len(_DIGEST) + 64


@dataclass(frozen=True)
class DocumentRecord:
    """A document for `--json`. `state` is ok, missing, invalid or unread."""

    kind: str
    state: str
    detail: str
    digest: str


@dataclass(frozen=True)
class ImageVerification:
    """What `inv image.verify --json` prints. `result` is ok or lacking; `required` is what the settings ask for."""

    environment: str
    digest: str
    result: str
    required: list[str]
    documents: list[DocumentRecord]


def verify(rung: Rung, digest: str = "") -> ImageVerification:
    """Show the documents of an image. Raises `StepladderError` (1) when one that the settings ask for isn't right.

    Those are `promotion.require`, or without it what is attached to each image.
    """
    image = _digest(digest) if digest else _served(rung)
    documents = attest_of(rung.aws, rung.names, image, rung.settings)
    required = list(rung.settings.promotion.require or wanted(rung.settings))
    broken = [each.kind for each in documents if each.state == verifying.INVALID and each.kind not in required]
    lacking = verifying.lacking(documents, [*required, *broken])
    if not rung.console.as_json:
        rows = [(each.kind, each.state, each.digest[7:19], each.detail or "-") for each in documents]
        rung.console.table(("document", "state", "digest", "what is wrong"), rows)
    record = ImageVerification(
        rung.environment,
        image,
        "lacking" if lacking else "ok",
        required,
        [DocumentRecord(each.kind, each.state, each.detail, each.digest) for each in documents],
    )
    if lacking:
        error = StepladderError(
            f"the image {image[7:19]} has {', '.join(lacking)}",
            kind="not-attested",
            hint="complete what it names, in `invoke.yaml` or `pyproject.toml`"
            if verifying.unverified(documents, required)
            else f"push one that has them: `inv image.push --env {rung.environment} --pull`, then release it: "
            f"`inv deploy --env {rung.environment}`",
        )
        error.record = asdict(record)
        raise error
    return record


def _digest(text: str) -> str:
    digest = text if text.startswith(_DIGEST) else _DIGEST + text
    if len(digest) != _LENGTH:
        raise BadInputError(
            f"{text!r} is no digest", kind="unknown-digest", hint="give all 64 digits, as `inv status` shows"
        )
    return digest


def _served(rung: Rung) -> str:
    """Return the digest that the alias serves. Raises `RefusedError` when there is none."""
    function = rung.names.function
    alias = aliases.read(rung.lambda_client, function)
    state = LambdaFunction(rung.lambda_client, function, clock=rung.clock).read(alias.version) if alias else None
    if state is None or not state.digest:
        flags = flags_of(rung.names.target)
        raise RefusedError(
            f"{rung.names.target} serves no image yet", kind="nothing-live", hint=f"deploy it: `inv deploy {flags}`"
        )
    return state.digest
