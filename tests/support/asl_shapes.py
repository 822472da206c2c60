"""Which data each state of the state machine has at hand, derived from the definition and the promotion's contract.

A shape is a dict of shapes by key, a list with the shape of its items, `LEAF` for a value without parts, or `ANY` for
what AWS answers. Within one scope (the machine, or the inside of a Map) the shape is what all its states together may
have written: enough to find a reference to something that nothing writes.
"""

import json
import re
import types
import typing

from stepladder.promotion.requests import ACTIONS

LEAF, ANY = "leaf", "any"
ERROR = {"Error": LEAF, "Cause": LEAF}
REFERENCE = re.compile(r"(?<![$\w])\$((?:\.[A-Za-z_]\w*|\[(?:\*|\d+)\])+)")
STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\*|\d+)\]")


def of_type(kind):
    """The shape of a type of the contract."""
    if typing.is_typeddict(kind):
        return {key: of_type(value) for key, value in typing.get_type_hints(kind).items()}
    if typing.get_origin(kind) is list:
        return [of_type(*typing.get_args(kind))]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return merged(*map(of_type, typing.get_args(kind)))
    return LEAF


def merged(*shapes):
    """Everything that any of some shapes has."""
    one, *others = shapes
    for other in others:
        if isinstance(one, dict) and isinstance(other, dict):
            one = {key: merged(*(s[key] for s in (one, other) if key in s)) for key in {**one, **other}}
        elif isinstance(one, list) and isinstance(other, list):
            one = [merged(*one, *other)] if one and other else one or other
        elif one in (LEAF, None):
            one = other
    return one


def references(value):
    """Every JSONPath in a value of the definition, each as its steps; context objects (`$$.`) are none."""
    return [
        [name or int(index) if index != "*" else "*" for name, index in STEP.findall(path)]
        for path in REFERENCE.findall(json.dumps(value))
    ]


def resolve(shape, steps):
    """The shape at the end of a path; `KeyError` when nothing writes it."""
    for step in steps:
        if shape == ANY:
            return ANY
        if isinstance(step, str) and step != "*":
            if not isinstance(shape, dict):
                raise KeyError(step)
            shape = shape[step]
        else:
            if not isinstance(shape, list) or not shape:
                raise KeyError(step)
            shape = shape[0]
    return shape


def of_template(template, scope, item=None):
    """The shape of a payload template: `Parameters`, `ResultSelector`, `ItemSelector` or `Result`."""
    if isinstance(template, list):
        return [merged(*(of_template(part, scope, item) for part in template))] if template else []
    if not isinstance(template, dict):
        return LEAF
    return {
        key.removesuffix(".$"): _of_value(value, scope, item) if key.endswith(".$") else of_template(value, scope, item)
        for key, value in template.items()
    }


def _of_value(value, scope, item):
    if value.startswith("$$.Map.Item.Value"):
        return resolve(item, [name for name, _ in STEP.findall(value.removeprefix("$$.Map.Item.Value"))])
    if value.startswith("States.StringToJson"):
        return ANY
    if value.startswith("States.ArrayGetItem"):
        (steps,) = references(value)
        return resolve(scope, [*steps, "*"])
    if value.startswith(("$$", "States.")):
        return LEAF
    (steps,) = references(value)
    return resolve(scope, steps)


def of_result(body):
    """What a task answers: the contract's response, or whatever AWS does."""
    if not body["Resource"].endswith(":lambda:invoke"):
        return ANY
    verb = body["Parameters"]["FunctionName"].removeprefix("${").removesuffix("_arn}")
    _, response = ACTIONS[verb][body["Parameters"]["Payload"]["action"]]
    return {"Payload": of_type(response)}


class Scope:
    """The states of the machine, or of the inside of a Map, with the shape of the data that they work on."""

    def __init__(self, definition, shape, name="machine"):
        self.states, self.name, self.shape = definition["States"], name, shape
        self.inner = {}
        before = None
        while before != (self.shape, [inner.shape for inner in self.inner.values()]):
            before = (self.shape, [inner.shape for inner in self.inner.values()])
            for state, body in self.states.items():
                try:
                    self._enter(state, body)
                except KeyError:
                    continue  # a later round may know; what none does is told by `unknown`

    def _enter(self, state, body):
        for catcher in body.get("Catch", ()):
            self._write(catcher["ResultPath"], ERROR)
        kind = body["Type"]
        if kind == "Map":
            item = resolve(self.shape, [*references(body["ItemsPath"])[0], "*"])
            self.inner[state] = Scope(body["ItemProcessor"], of_template(body["ItemSelector"], self.shape, item), state)
            self._write(body["ResultPath"], [self.inner[state].output])
        elif kind == "Task":
            result = of_result(body)
            selected = of_template(body["ResultSelector"], result) if "ResultSelector" in body else result
            self._write(body["ResultPath"], selected)
        elif kind == "Pass" and not body.get("End"):
            self._write(body.get("ResultPath", "$"), self._passed(body))
        elif kind == "Pass" and body.get("ResultPath") != "$":
            self._write(body["ResultPath"], self._passed(body))

    def _passed(self, body):
        if "InputPath" in body:
            return resolve(self.shape, references(body["InputPath"])[0])
        return of_template(body.get("Parameters", body.get("Result")), self.shape)

    def _write(self, path, shape):
        if path is None:
            return
        for key in reversed(references(path)[0] if path != "$" else []):
            shape = {key: shape}
        self.shape = merged(self.shape, shape)

    @property
    def output(self):
        """What the scope ends with."""
        ends = [body for body in self.states.values() if body.get("End")]
        return merged(*(self._passed(body) if body.get("ResultPath", "$") == "$" else self.shape for body in ends))

    def everything(self):
        """Yield this scope and all inside it."""
        yield self
        for inner in self.inner.values():
            yield from inner.everything()

    def unknown(self):
        """Every reference of its states to something that nothing writes."""
        for state, body in self.states.items():
            own = {key: value for key, value in body.items() if key not in ("ItemProcessor", "ResultSelector")}
            own["Catch"] = []
            parts = [(own, self.shape)]
            if "ResultSelector" in body:
                parts.append((body["ResultSelector"], of_result(body)))
            for part, shape in parts:
                for steps in references({k: v for k, v in part.items() if k != "ResultPath"}):
                    try:
                        resolve(shape, steps)
                    except KeyError as error:
                        yield f"{state}: {steps} ({error})"
