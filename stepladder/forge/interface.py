"""What a forge is: its interface, with what one does that has nothing of the kind.

A new forge is one file beside this one and one line in `registered.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from stepladder.core.records import dataclass

if TYPE_CHECKING:
    from stepladder.forge.id_token import IdToken, SigningToken

Level = Literal["error", "warning", "notice"]


@dataclass(frozen=True)
class Posted:
    """What became of something that a forge was to show.

    `how` is created, updated, unchanged or closed; empty when nothing was done, and then `problem` says why in one line
    that holds no token. `url` is where it stands.
    """

    how: str = ""
    url: str = ""
    problem: str = ""

    @property
    def done(self) -> bool:
        """Whether the forge shows what it was given."""
        return bool(self.how)


@dataclass(frozen=True)
class Annotation:
    """A message at a file: `path` is relative to the working directory, `line` counts from 1; empty and 0 for none."""

    message: str
    level: Level = "error"
    path: str = ""
    line: int = 0


class Forge(Protocol):
    """A forge with its CI, as seen from one job. A forge inherits this class and overrides what it can do.

    Everything is read from the job's environment at the call. Nothing raises and nothing takes longer than a minute:
    what a forge shows is an extra, and a release doesn't fail for it.
    """

    name: str
    """The forge's name as people write it."""

    comment_limit: int = 65_536
    """How many characters a comment may have."""

    def detect(self) -> bool:
        """Whether this process is a job of the forge's CI."""
        ...

    def identity(self) -> str:
        """Return the account that started the job, as locks and the ledger name it; empty where none is named."""
        return ""

    def run(self) -> str:
        """Return the id of the pipeline's run, which its jobs share; empty where there is none."""
        return ""

    def change_request(self) -> str:
        """Return the number of the pull or merge request that the job runs for; empty for any other job."""
        return ""

    def is_fork(self) -> bool:
        """Whether the job runs for a change request whose branch is in another repository, and so has no secrets."""
        return False

    def job_url(self) -> str:
        """Return the address of the job's own page; empty where there is none."""
        return ""

    def source(self) -> str:
        """Return the address of the repository that the job was started for; empty where there is none."""
        return ""

    def builder(self) -> str:
        """Return the URI of what runs the job, as provenance names its builder; empty where nobody vouches for it."""
        return ""

    def id_token(self, audience: str) -> IdToken:  # noqa: ARG002 - a forge without tokens
        """Read the job's identity token, for an audience where the job may choose it. By default there is none."""
        from stepladder.forge.id_token import IdToken

        return IdToken(problem=f"{self.name} gives no identity tokens", hint="run it in a job of GitHub or GitLab")

    def may_sign(self) -> bool:
        """Whether the job can have a token that Sigstore takes as the signer's identity; no request is made."""
        return False

    def signing_token(self) -> SigningToken:
        """Read a token for one signature. By default there is none."""
        from stepladder.forge.id_token import SigningToken

        return SigningToken(
            problem=f"{self.name} gives no identity tokens", hint="deploy by a job of GitHub or GitLab, which has one"
        )

    def summary(self, markdown: str) -> bool:  # noqa: ARG002 - a forge without one
        """Add Markdown to the job's own page; return whether the forge has such a page. By default it has none."""
        return False

    def annotation(self, message: str, *, level: Level = "error", path: str = "", line: int = 0) -> str:  # noqa: ARG002
        """Return the line of the log that makes the forge show a message at a file; by default the message itself.

        `path` is relative to the working directory and `line` counts from 1; empty and 0 for a message without a place.
        """
        return message

    def annotate(self, annotations: Sequence[Annotation]) -> tuple[str, ...]:  # noqa: ARG002 - a forge without any
        """Make the forge show messages at files; return the lines that must stand in the log for it. By default none.

        All messages of a job are given at once: a forge may keep them in one report.
        """
        return ()

    def outputs(self, values: Mapping[str, str]) -> bool:  # noqa: ARG002 - a forge without outputs
        """Give values to the jobs that follow; return whether the forge has such values. By default it has none.

        Names are lower case with underscores. A forge says in its own file how the other jobs read them.
        """
        return False

    def comment(self, markdown: str, marker: str) -> Posted:  # noqa: ARG002 - a forge without change requests
        """Make the job's change request have exactly one comment of ours with this marker, and this text.

        The marker is a word that people don't see. Our comment is edited, what was made twice is deleted.
        """
        return Posted(problem=f"{self.name} has no change request to comment on")

    def section(self, number: str, markdown: str, marker: str, name: str) -> Posted:  # noqa: ARG002 - no requests
        """Make our comment with this marker on a change request say this in the section of this name.

        The rest of the comment stays as it is. Without a comment one is made that says only this; an empty text takes
        the section out. The change request needn't be the job's own.
        """
        return Posted(problem=f"{self.name} has no change request to comment on")

    def is_closed(self, number: str) -> bool | None:  # noqa: ARG002 - a forge without change requests
        """Say whether a change request is closed or merged; None where nobody may know."""
        return None

    def branch(self) -> str:
        """Return the branch of the change request that the job runs for; empty where nobody knows it."""
        return ""

    def issue(self, title: str, markdown: str, marker: str) -> Posted:  # noqa: ARG002 - a forge without issues
        """Make the repository have exactly one open issue of ours with this marker, and this title and text."""
        return Posted(problem=f"{self.name} has no issues")

    def close_issue(self, markdown: str, marker: str) -> Posted:  # noqa: ARG002 - a forge without issues
        """Close our open issues with this marker, with a last comment; none is open: nothing is done, `unchanged`."""
        return Posted(problem=f"{self.name} has no issues")
