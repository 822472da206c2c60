"""Which images a project can't do without: what its functions serve, were released, or could return to.

Read from Lambda and the ledger together, since either may know what the other doesn't: an alias that a person moved,
a release whose function was recreated (docs/decisions, images go by the ledger).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from stepladder.aws_lambda.lambda_function import FunctionState, LambdaFunction
from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.errors import RefusedError
from stepladder.core.release_facts import LATEST, NOT_FOUND
from stepladder.ledger.table import Ledger
from stepladder.releases.rung import Rung
from stepladder.releases.version_users import VersionUsers
from stepladder.settings.load import Settings

SERVED, RELEASED, PUBLISHED = "served", "released", "published"
_AT_ONCE = 8
_FUNCTIONS_AT_ONCE = 4


def kept_by_function(settings: Settings, requested: int) -> dict[str, int]:
    """Return how many releases keep their image, of each function whose setting differs from the project's."""
    views = {name: settings.of_function(name) for name in settings.whole.functions}
    return {name: view.image.kept_releases(requested) for name, view in views.items()}


def images(
    rung: Rung, keep: int, by_function: Mapping[str, int] | None = None, *, without: str = ""
) -> Mapping[str, str]:
    """Return why each digest must stay, of every function in all environments that share the rung's repository.

    An environment that is being destroyed needs none: `without` names it.

    `served`: an alias or $LATEST has it. `released`: one of the last `keep` good releases of an environment.
    `executing`, `provisioned`, `called`: a version has it that a durable execution, provisioned concurrency or an event
    source uses. `published`: one of the newest `keep` versions has it; `by_function` says how many of some functions,
    by name.

    Raises `RefusedError` when the credentials are another account's, or a version doesn't name its image.
    """
    rung.check_caller()
    reasons: dict[str, str] = {}
    users = VersionUsers(rung.lambda_client, rung.clock)
    with ThreadPoolExecutor(_FUNCTIONS_AT_ONCE, thread_name_prefix="targets") as pool:
        for released, versions in pool.map(
            lambda at: _of_target(rung, users, at, (by_function or {}).get(at.name_of_function, keep)),
            [at for at in _at_same_location(rung) if at.environment != without],
        ):
            for digest in released:
                reasons.setdefault(digest, RELEASED)
            for digest, why in versions:
                if why != PUBLISHED or digest not in reasons:
                    reasons[digest] = why
    return reasons


def _of_target(rung: Rung, users: VersionUsers, at: names.Names, keep: int) -> tuple[set[str], list[tuple[str, str]]]:
    """Return what the ledger needs of one function in one environment, and what Lambda does, with the reasons."""
    function = LambdaFunction(rung.lambda_client, at.function, clock=rung.clock)
    return rung.ledger.protected_digests([at.target], keep=keep), list(_of_function(function, users, keep))


def _at_same_location(rung: Rung) -> list[names.Names]:
    """Return the targets of the repository: those of the settings, and those that only the ledger knows.

    An older checkout may not know the newest environment or function yet; it must not delete what that one runs. Nor
    may one that says that an environment is in another account or region by now, while this one still runs it.
    """
    own, whole = rung.names, rung.settings.whole
    known = whole.environments
    at_location = [e.name for e in known.values() if (e.account, e.region) == (own.account, own.region)]
    targets = {names.target_key(environment, name) for environment in at_location for name in whole.function_names}
    targets |= _recorded(rung.ledger)
    pairs = map(names.split_target, sorted(targets))
    return [names.Names(own.project, env, own.account, own.region, name) for env, name in pairs]


def _recorded(ledger: Ledger) -> set[str]:
    """Return the key of every target that the ledger has an item of."""
    return {partition.removeprefix("env#") for partition in ledger.partitions("env#")}


def _of_function(function: LambdaFunction, users: VersionUsers, keep: int) -> Iterator[tuple[str, str]]:
    """Yield the digests of a function's versions with the reason; nothing when there is no function."""
    served = aliased(function)
    if served is None:
        return
    versions = function.versions()
    newest = [state.version for state in islice(reversed(versions), keep)]
    wanted = {LATEST: SERVED, **dict.fromkeys(newest, PUBLISHED), **dict.fromkeys(served, SERVED)}
    older = [state for state in versions if state.version not in wanted]
    wanted |= users.of(function.name, older, callers=False)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="needed") as pool:
        for version, state in zip(wanted, pool.map(function.read, wanted), strict=True):
            if state and state.package_type == "Image":
                yield _digest(function, version, state), wanted[version]


def _digest(function: LambdaFunction, version: str, state: FunctionState) -> str:
    if not state.digest:
        raise RefusedError(
            f"version {version} of {function.name} doesn't name its image",
            kind="image-missing",
            hint="no image was deleted; read the version in Lambda's console, then run the same command again",
        )
    return state.digest


def aliased(function: LambdaFunction) -> Iterable[str] | None:
    """Return the versions that any alias sends traffic to, weighted ones too; None when there is no function."""
    versions: set[str] = set()
    marker: dict[str, str] = {}
    while True:
        try:
            answer = function.client.list_aliases(FunctionName=function.name, **marker)
        except Exception as error:
            if error_code(error) == NOT_FOUND:
                return None
            raise
        for alias in answer["Aliases"]:
            weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
            versions |= {alias["FunctionVersion"], *weights}
        if not answer.get("NextMarker"):
            return versions
        marker = {"Marker": answer["NextMarker"]}
