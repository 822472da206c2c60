"""The ledger's items that every command reads of an environment: its lock, what it serves, what was applied.

With it, what an item is: its key, its attributes, their types, and who writes them. The other items are in
`schema.py`, which a command with nothing to do has no use for. It imports nothing but the standard library and
`core.records`, as the packages of the pipeline's functions carry both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, field, fields, replace
from typing import Any, Generic, TypeVar

from stepladder.core.records import dataclass

COMMANDS, PROMOTION, FUNCTIONS = "commands", "state machine", "functions"
"""Who writes: stepladder's commands, the state machine's definition, the pipeline's functions."""
EVERYBODY = (COMMANDS, PROMOTION, FUNCTIONS)

Item = dict[str, dict[str, Any]]
R = TypeVar("R")


def attribute(
    about: str, *, by: tuple[str, ...] = (COMMANDS,), may: tuple[str, ...] = (), default: Any = MISSING
) -> Any:
    """Return a dataclass field for an attribute: what it is, who always writes it, who writes it sometimes."""
    return field(default=default, metadata={"about": about, "by": by, "may": may})


@dataclass(frozen=True)
class Holder:
    """Who holds an environment's lock."""

    owner: str = attribute("user and host", by=(COMMANDS, FUNCTIONS))
    host: str = attribute("host; `Step Functions` for a promotion", by=(COMMANDS, FUNCTIONS))
    boot_id: str = attribute("the kernel's boot and process namespace; missing for a promotion")
    pid: int = attribute("process id", by=(COMMANDS, FUNCTIONS))
    run_id: str = attribute("the run; a promotion's is its execution's ARN", by=(COMMANDS, FUNCTIONS))
    command: str = attribute("what runs, for a person", by=(COMMANDS, FUNCTIONS))
    since: str = attribute("when it was taken", by=(COMMANDS, FUNCTIONS))
    expires: int = attribute(
        "when its lease runs out, in epoch seconds; 0 once the run has ended and the ledger lacks what the lock names",
        by=(COMMANDS, FUNCTIONS),
    )
    started: int = attribute(
        "the process's start, as a process id is used again; 0 for a promotion",
        by=(COMMANDS, FUNCTIONS),
        default=0,
    )
    version: str = attribute(
        "what the alias is about to serve, or serves and the ledger lacks", by=(), may=(COMMANDS, FUNCTIONS), default=""
    )
    previous_version: str = attribute("what the alias served before", by=(FUNCTIONS,), may=(COMMANDS,), default="")
    pending: str = attribute(
        "JSON: entry, `current` and mark to write once the alias serves the version", by=(), may=(COMMANDS,), default=""
    )
    moved_to: str = attribute(
        "the version to which a promotion itself, not CodeDeploy, has moved traffic",
        by=(),
        may=(FUNCTIONS,),
        default="",
    )
    job: str = attribute("the address of the CI job that holds it", by=(), may=(COMMANDS,), default="")

    @property
    def work(self) -> str:
        """What it is held for, for a person: the command, and its job."""
        return f"{self.command} ({self.job})" if self.job else self.command


@dataclass(frozen=True)
class Current:
    """What the last verified release left on the alias."""

    release_id: str = attribute("the release", by=(COMMANDS, PROMOTION))
    version: str = attribute("its version", by=(COMMANDS, PROMOTION))
    digest: str = attribute("its image", by=(COMMANDS, PROMOTION))
    input_key: str = attribute("hash of everything that decides the image", by=(COMMANDS, PROMOTION))
    config_hash: str = attribute("hash of the released configuration")
    alias_revision: str = attribute("the alias's RevisionId when it was verified", by=(COMMANDS, PROMOTION))
    infra_hash: str = attribute("the service's `input_hash` at the release", default="")
    smoke_key: str = attribute(
        "names the smoke cases that the version passed; missing when it was released untested",
        by=(PROMOTION,),
        may=(COMMANDS,),
        default="",
    )


@dataclass(frozen=True)
class InfraRecord:
    """What the last apply of a Terraform root left."""

    input_hash: str = attribute("hash of everything that decides the result")
    plan_id: str = attribute("the saved plan")
    applied_at: str = attribute("when")
    url: str = attribute("the function's URL; a service's only", by=(), may=(COMMANDS,), default="")
    config_hash: str = attribute(
        "hash of the function's configuration after the apply; a service's only", by=(), may=(COMMANDS,), default=""
    )
    outputs: str = attribute(
        "JSON: the root's outputs without sensitive ones; a service's only", by=(), may=(COMMANDS,), default=""
    )
    config_hashes: str = attribute(
        "JSON: by name, the hash of each named function's configuration after the apply; a service's only",
        by=(),
        may=(COMMANDS,),
        default="",
    )

    def of_function(self, name: str) -> InfraRecord:
        """Return the record as one function has it: its URL, its configuration's hash, its outputs among the root's.

        The project's own function, whose name is empty, has the record as it is.
        """
        if not name:
            return self
        outputs: dict[str, Any] = json.loads(self.outputs or "{}")
        named = outputs.pop("functions", None)
        given = named.get(name) if isinstance(named, dict) else None
        own: dict[str, Any] = given if isinstance(given, dict) else {}  # an older apply's output may be anything
        merged = {key: value for key, value in (outputs | own).items() if value is not None}
        return replace(
            self,
            url=str(own.get("function_url") or own.get("http_api_url") or ""),
            config_hash=str(json.loads(self.config_hashes or "{}").get(name, "")),
            outputs=json.dumps(merged, sort_keys=True) if merged else "",
            config_hashes="",
        )


@dataclass(frozen=True)
class ItemKind(Generic[R]):
    """One kind of item: what it is, its keys (`{...}` stands for a name), and the record that it holds."""

    about: str
    pk: str
    sk: str
    record: type[R]

    def key(self, **named: str) -> Item:
        """Return the key of the item of these names."""
        return key(self.pk.format(**named), self.sk.format(**named))

    @property
    def attributes(self) -> tuple[Field[Any], ...]:
        """Its attributes besides the key."""
        return fields(self.record)  # type: ignore[arg-type]

    def written(self, writer: str) -> tuple[frozenset[str], frozenset[str]]:
        """Return the attributes that a writer always writes, and all that it may write."""
        always = frozenset(field.name for field in self.attributes if writer in field.metadata["by"])
        return always, always | {field.name for field in self.attributes if writer in field.metadata["may"]}


LOCK = ItemKind("who is at work on an environment", "env#{environment}", "lock", Holder)
CURRENT = ItemKind("what an environment serves", "env#{environment}", "current", Current)
SERVICE = ItemKind("the last apply of a service", "env#{environment}", "infra", InfraRecord)
ROOT = ItemKind("the last apply of the foundation or the delivery root", "root#{root}", "infra", InfraRecord)


def key(pk: str, sk: str) -> Item:
    """Return a primary key."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def item(pk_sk: Item, record: Any) -> Item:
    """Turn a record into an item under a key; empty text is left out."""
    return pk_sk | {name: write(value) for name, value in asdict(record).items() if value != ""}


def record(kind: type[R], raw: Mapping[str, Any] | None) -> R | None:
    """Read an item back; attributes that are missing get an empty value, unknown ones are ignored."""
    if not raw:
        return None
    values: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]
        empty: Any = {"int": 0, "bool": False}.get(str(one.type), "")
        values[one.name] = _read(raw[one.name]) if one.name in raw else empty
    return kind(**values)


def write(value: str | int | bool) -> dict[str, str | bool]:
    """Write a value as DynamoDB has it."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": str(value)}


def _read(value: Mapping[str, Any]) -> Any:
    if "N" in value:
        return int(float(value["N"]))
    return value.get("BOOL", value.get("S", ""))
