"""The environment variables of the function, for running it here: invoke.yaml's, and those that Terraform makes.

Terraform's are asked of the deployed function, and only where the service root makes any or a setting holds a
reference: a project that adds none needs no AWS to be tested. Values are never printed.

A secret's variable holds where it is. The function's own code reads the value, with the credentials at hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stepladder.core.names import flags_of, split_target
from stepladder.settings import references, secrets
from stepladder.settings.functions import key
from stepladder.settings.load import Settings
from stepladder.terraform import made_variables

_SECONDS = 10.0  # without a network, the SDK would try for minutes


@dataclass(frozen=True)
class FunctionVariables:
    """What the function gets. `missing` are names that Terraform makes and nobody could say the value of."""

    values: Mapping[str, str]
    missing: tuple[str, ...] = ()
    why: str = ""

    def hint(self, target: str) -> str:
        """Say what is missing, and how to have it; empty when nothing is."""
        if not self.missing:
            return ""
        names = ", ".join(self.missing)
        setting = key(split_target(target)[1], "function.environment")
        return (
            f"the function ran without {names}, which Terraform makes: {self.why}; deploy it "
            f"(`inv deploy {flags_of(target)}`), or give a value in `{setting}`"
        )


Deployed = Callable[[Settings, str], Mapping[str, str] | str]
"""Return the variables of the deployed function, or say why they can't be had."""


def of(settings: Settings, environment: str = "", deployed: Deployed | None = None) -> FunctionVariables:
    """Return the variables of one environment (empty: the lowest rung). Raises `BadInputError` for an unknown one."""
    environment = environment or settings.lowest
    given = {
        **settings.environment(environment).function.environment,
        **secrets.variables(settings, environment),
    }
    own = {name: references.literal(text) for name, text in given.items() if not references.has(text)}
    # What the root's code merges in by hand is for its own call of the module.
    read = made_variables.Made() if settings.name_of_function else made_variables.read(settings.root)
    made = replace(read, names=read.names | (given.keys() - own.keys()))
    if not made:
        return FunctionVariables(own)
    answer = (deployed or _deployed)(settings, environment)
    if isinstance(answer, str):
        return FunctionVariables(own, tuple(sorted(made.names - own.keys())), answer)
    # What Terraform makes wins, as in its merge(); what is in neither was taken out of invoke.yaml meanwhile
    values = {name: value for name, value in answer.items() if name in made.names or (made.others and name not in own)}
    merged = {**own, **values}
    why = f"{environment} was deployed before it had it"
    return FunctionVariables(merged, tuple(sorted(made.names - merged.keys())), why)


def _deployed(settings: Settings, environment: str) -> Mapping[str, str] | str:
    answers: list[Mapping[str, str] | str] = []

    def ask() -> None:
        answers.append(_configuration(settings, environment))

    thread = threading.Thread(target=ask, daemon=True, name="variables")
    thread.start()
    thread.join(_SECONDS)
    return next(iter(answers), "AWS doesn't answer")


def _configuration(settings: Settings, environment: str) -> Mapping[str, str] | str:
    from botocore.exceptions import BotoCoreError, ClientError

    from stepladder.core.errors import StepladderError
    from stepladder.core.release_facts import NOT_FOUND
    from stepladder.releases.rung import clients

    name = settings.names(environment).function
    try:
        client = clients(settings, environment).client("lambda")
        answer: dict[str, Any] = client.get_function_configuration(FunctionName=name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        return f"{environment} is not deployed" if code == NOT_FOUND else f"AWS refused to show them ({code})"
    except (BotoCoreError, StepladderError) as error:
        return f"AWS can't be asked ({error})"
    if str(answer.get("FunctionArn", "")).split(":")[4:5] != [settings.environment(environment).account]:
        return f"the credentials are another account's than {environment}'s"
    variables: Mapping[str, str] | None = (answer.get("Environment") or {}).get("Variables")
    return variables or {}
