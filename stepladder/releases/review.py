"""What a change request would do to one environment: its plans, and the release that would follow.

`inv tf.plan --review` leaves it in `.stepladder/review/<env>.json`, which a job publishes and `inv ci.comment` reads in
another job, one that has no way to AWS. It holds no secret (`stepladder/terraform/redaction.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stepladder.aws_lambda.alias import Alias
from stepladder.core import shapes
from stepladder.core.display import cut, one_line
from stepladder.core.errors import StepladderError
from stepladder.core.files import read_json, write_json
from stepladder.core.release_facts import LATEST
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.ladder_guard import lower_rung
from stepladder.settings import secret_values
from stepladder.settings.load import Settings
from stepladder.terraform import review as terraform_review
from stepladder.terraform.review import RootReview

SCHEMA = 1
FOLDER = "review"
_LONGEST, _SHORT = 600, 60


@dataclass(frozen=True)
class Forecast:
    """The release that would follow. `image` is new, same or unknown; `lower` the rungs that it comes from, if any.

    `version` and `digest` are what is live now, empty before the first release. `problem` says why it is unknown.
    """

    image: str
    configuration: bool
    version: str = ""
    digest: str = ""
    lower: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_needed(self) -> bool:
        """Whether a new version would be published; also when that is unknown."""
        return self.configuration or self.image != "same"


@dataclass(frozen=True)
class PlanFailure:
    """Why there is no review: the root whose plan failed, the error and its kind."""

    message: str
    kind: str = ""
    root: str = ""


@dataclass(frozen=True)
class EnvironmentReview:
    """One environment. `early` are roots that have no state yet: the first deployment makes them.

    `run` is the pipeline's, where a forge gives it one: a folder may hold what an older run left. `forecast` is of the
    project's own function, `functions` has those of the others by name.
    """

    environment: str
    commit: str
    roots: tuple[RootReview, ...] = ()
    early: tuple[str, ...] = ()
    forecast: Forecast | None = None
    failure: PlanFailure | None = None
    run: str = ""
    functions: Mapping[str, Forecast] = field(default_factory=dict)

    @property
    def forecasts(self) -> dict[str, Forecast]:
        """The release of each function that would follow, by its name; the own function's is empty, and first."""
        return {**({"": self.forecast} if self.forecast else {}), **self.functions}

    @property
    def losses(self) -> list[tuple[RootReview, terraform_review.ReviewedChange]]:
        """What would be destroyed or replaced, that which is guarded first."""
        gone = [(root, change) for root in self.roots for change in root.changes if change.is_loss]
        return sorted(gone, key=lambda each: not each[1].guarded)


def forecast(
    settings: Settings,
    environment: str,
    alias: Alias | None,
    ledger: Snapshot,
    input_key: str,
    service: RootReview | None,
) -> Forecast:
    """Say which release of a function would follow, from what is live and the key of its image in these files."""
    current = ledger.current
    live = alias is not None and alias.version != LATEST
    same = bool(current and live and current.input_key and current.input_key == input_key)
    return Forecast(
        "same" if same else "new",
        bool(service and service.changes_function(settings.name_of_function)),
        alias.version if alias and live else "",
        current.digest if current else "",
        lower_rung(settings, environment),
    )


def failure(error: StepladderError, root: str = "") -> PlanFailure:
    """Return an error for a comment: one line, without what has the shape of a secret."""
    text = one_line(error.message)
    if shape := secret_values.shape_of(text):
        text = f"the message holds {shape} and is not shown; it stands in the job's log"
    return PlanFailure(cut(text, _LONGEST), error.kind, root)


def path(settings: Settings, environment: str) -> Path:
    """Return where an environment's review is."""
    return settings.build_dir / FOLDER / f"{environment}.json"


def write(settings: Settings, made: EnvironmentReview) -> Path:
    """Write a review, in place of an older one; one without functions of a name says nothing of them."""
    content = {name: value for name, value in asdict(made).items() if name != "functions" or value}
    return write_json(path(settings, made.environment), {"schema": SCHEMA, **content})


def read(settings: Settings, environment: str, run: str = "") -> EnvironmentReview | None:
    """Return an environment's review; None where the plan's job of this run left none.

    One that can't be read is a failure.
    """
    file = path(settings, environment)
    if not os.path.lexists(file):
        return None
    try:
        made = _review(read_json(file), environment)
    except ValueError as error:
        problem = PlanFailure(f"{FOLDER}/{file.name} can't be read: {one_line(str(error))}", "unreadable-file")
        return EnvironmentReview(environment, "", failure=problem)
    return made if made.run == run or not run else None


def _review(raw: dict[str, Any], environment: str) -> EnvironmentReview:
    """Return the review that JSON holds. Raises `ValueError` for anything else, and for that of another version."""
    if not raw:
        raise ValueError("it is no JSON object")
    schema = raw.pop("schema", None)
    if schema != SCHEMA:
        raise ValueError(f"it has schema {cut(repr(schema), _SHORT)}, and this version reads {SCHEMA}")
    if raw.get("environment") != environment:
        raise ValueError(f"it is of the environment {cut(repr(raw.get('environment')), _SHORT)}")
    made = shapes.build(EnvironmentReview, raw)
    for root in made.roots:
        terraform_review.check(root)
    return made
