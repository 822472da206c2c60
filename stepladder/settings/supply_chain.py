"""The settings under `supply_chain:`: what is attached to an image, and what `inv lock` takes and asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from stepladder.settings.problems import Problems, kind
from stepladder.settings.rules import Flag, Texts, Whole
from stepladder.settings.table import OwnRule, setting

_ID = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_KEYS = ("reason", "until")


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
            if not isinstance(name, str) or not _ID.fullmatch(name):
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


@dataclass(frozen=True)
class SupplyChainSettings:
    """What is known of an image beside the image, and which packages get into it."""

    sbom: bool = setting(
        default=True, rule=Flag(), purpose="whether each pushed image gets a list of the packages in it (CycloneDX)"
    )
    provenance: bool = setting(
        default=True, rule=Flag(), purpose="whether each pushed image gets a statement of what it was built from (SLSA)"
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
