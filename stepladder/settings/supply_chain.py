"""The settings under `supply_chain:`: what is attached to an image, and what `inv lock` takes and asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from stepladder.core.records import dataclass
from stepladder.settings.ci import Url
from stepladder.settings.problems import Problems, kind
from stepladder.settings.rules import Choice, Flag, Section, Texts, Whole
from stepladder.settings.table import OwnRule, setting

_ID = r"(?a)[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+"
_PACKAGE = r"(?a)[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_KEYS = ("reason", "until")
_IDENTITY = r"[^\s*]{1,500}"
_FILE = r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[^\s\\]+\.json"
NEVER, AUTO, REQUIRED = SIGN = ("never", "auto", "required")


@dataclass(frozen=True)
class IgnoredVulnerability:
    """A vulnerability that is known and accepted: why, and until the end of which day."""

    reason: str
    until: date

    def __str__(self) -> str:
        """Return it as the settings say it."""
        return f"{self.reason} (until {self.until})"


class IgnoredVulnerabilities(OwnRule):
    """A mapping of the ids of vulnerabilities to why they are ignored, and until when."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> dict[str, IgnoredVulnerability]:
        """See `table.Rule`."""
        if not isinstance(value, Mapping):
            problems.add(key, kind(value), "a mapping of ids like CVE-2026-1234 to `reason` and `until`")
            return {}
        ignored = {}
        for name, entry in value.items():
            if not isinstance(name, str) or not re.fullmatch(_ID, name):
                problems.add(key, name, "ids like CVE-2026-1234, GHSA-xxxx-xxxx-xxxx or PYSEC-2026-1")
                continue
            given = problems.mapping(f"{key}.{name}", entry, _KEYS)
            reason, until = given.get("reason"), given.get("until")
            day = until if isinstance(until, date) else _day(until)
            if not isinstance(reason, str) or not reason.strip():
                problems.add(f"{key}.{name}.reason", reason, "a text that says why it is no danger here")
            elif day is None:
                problems.add(f"{key}.{name}.until", until, "a day like 2026-12-31, after which it counts again")
            else:
                ignored[name] = IgnoredVulnerability(reason.strip(), day)
        return ignored


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


class ServiceUrl(OwnRule):
    """The address of a service that speaks HTTP; empty for the usual one."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if value in ("", None):
            return ""
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query:
            problems.add(key, value, "an address like https://osv.example.com, without credentials and query")
            return ""
        return str(value).rstrip("/")


class Issuer(Url):
    """The address of an issuer of tokens; empty for none."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        return "" if value in ("", None) else super().read(key, value, before, problems)


class OneText(OwnRule):
    """A text of one shape; empty for none."""

    def __init__(self, shape: str, words: str) -> None:
        self._shape, self._words = shape, words

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if value in ("", None):
            return ""
        if not isinstance(value, str) or not re.fullmatch(self._shape, value):
            problems.add(key, value, self._words)
            return ""
        return value


@dataclass(frozen=True)
class SignerSettings:
    """Whose signature of an image counts, in place of the jobs on the branch that is deployed."""

    issuer: str = setting(
        "", Issuer(), "issuer of the signer's token, such as https://token.actions.githubusercontent.com"
    )
    identity: str = setting(
        "",
        OneText(_IDENTITY, "the whole name in its certificate, without wildcards"),
        "the signer's name in its certificate, whole: on GitHub the workflow at its ref, "
        "`https://github.com/acme/orders/.github/workflows/ladder.yml@refs/heads/main`",
    )


@dataclass(frozen=True)
class SupplyChainSettings:
    """What is known of an image beside the image, and which packages get into it."""

    sbom: bool = setting(
        default=True, rule=Flag(), purpose="whether each pushed image gets a list of the packages in it (CycloneDX)"
    )
    provenance: bool = setting(
        default=True, rule=Flag(), purpose="whether each pushed image gets a statement of what it was built from (SLSA)"
    )
    sign: str = setting(
        NEVER,
        Choice(SIGN),
        "whether each pushed image is signed by the job's identity: `never`, `auto` in a job that has one, `required`",
    )
    signer: SignerSettings = setting(factory=SignerSettings, rule=Section(SignerSettings))
    sigstore: str = setting(
        "",
        OneText(_FILE, "a JSON file in the project"),
        "file with the trust configuration of a Sigstore of your own, in place of the public one",
    )
    cooldown_days: int = setting(
        0, Whole(1, 365, zero=True), "days that a package has to be on its index before `inv lock` takes it; 0 for none"
    )
    cooldown_exceptions: tuple[str, ...] = setting(
        (), Texts(_PACKAGE, "names of packages", "package"), "packages that are taken sooner, such as your own"
    )
    audit: bool = setting(
        default=True, rule=Flag(), purpose="whether `inv lock` asks which of the packages have known vulnerabilities"
    )
    audit_url: str = setting("", ServiceUrl(), "address of the vulnerability database, in place of https://api.osv.dev")
    ignored_vulnerabilities: Mapping[str, IgnoredVulnerability] = setting(
        factory=dict,
        rule=IgnoredVulnerabilities(),
        purpose="ids of vulnerabilities that don't count, each with its `reason` and the day `until` which",
    )


def check(section: SupplyChainSettings, problems: Problems) -> None:
    """Note a signer that is half a one: an identity is somebody's only beside who issued it."""
    signer = section.signer
    for name, value, other in (("issuer", signer.issuer, "identity"), ("identity", signer.identity, "issuer")):
        key = f"supply_chain.signer.{other}"
        if value and not getattr(signer, other) and not problems.has(key):
            problems.add(key, "", f"the {other} that belongs beside supply_chain.signer.{name}: both or none")
