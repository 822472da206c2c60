"""The images of several functions that are promoted together, and one that stands for all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import Executor, Future

from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.core.names import split_target, target_key
from stepladder.core.release_facts import short
from stepladder.ledger.words import shown_commit
from stepladder.promotion.contract import ExecutionInput
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.subject import PromotionOptions, Subject, check_mark, read_subject
from stepladder.settings import functions

_SHOWN = 5


def selected(machine: StateMachine, options: PromotionOptions) -> tuple[str, ...]:
    """Return the names of the functions that the options are about, in the order of the settings.

    Raises `BadInputError` for a name that no function has.
    """
    for name in options.functions:
        functions.known(machine.settings, name)
    return tuple(name for name in machine.settings.function_names if not options.functions or name in options.functions)


def read_subjects(machine: StateMachine, options: PromotionOptions, pool: Executor) -> dict[str, Subject]:
    """Return the image of each selected function, as `read_subject` does of one.

    A digest is one function's. A release may be of several: those that it is of are promoted.
    """
    names = selected(machine, options)
    if options.digest and len(names) > 1:
        function = functions.MAIN if "" in names else names[0]
        raise BadInputError(
            "--digest names the image of one function, and the project has several",
            kind="bad-arguments",
            hint=f"say which one's: `inv promote --digest {options.digest} --function {function}`",
        )
    if options.release and len(names) > 1:
        names = _of_release(machine, options.release, names, pool) or names[:1]  # which says that there is none
    rungs = {name: machine.at(target_key(machine.settings.lowest, name)) for name in names}
    reads = {name: pool.submit(read_subject, rung, options) for name, rung in rungs.items()}
    return _results(reads)


def _of_release(machine: StateMachine, release_id: str, names: tuple[str, ...], pool: Executor) -> tuple[str, ...]:
    """Return the functions of which the lowest rung has a release."""
    lowest = machine.settings.lowest
    ledger = machine.at(lowest).ledger
    entries = pool.map(lambda name: ledger.find(target_key(lowest, name), release_id), names)
    return tuple(name for name, entry in zip(names, entries, strict=True) if entry)


def _results(reads: Mapping[str, Future[Subject]]) -> dict[str, Subject]:
    """Return what was read; of several that can't be promoted the first, with the names of the others."""
    subjects: dict[str, Subject] = {}
    refused: dict[str, StepladderError] = {}
    for name, read in reads.items():
        try:
            subjects[name] = read.result()
        except StepladderError as error:
            refused[name] = error
    if not refused:
        return subjects
    first, *others = refused
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        shown = ", ".join(name or functions.MAIN for name in others[:_SHOWN])
        refused[first].message += f"; so it is with {shown}{more}"
    raise refused[first]


def check_marks(machine: StateMachine, subjects: Mapping[str, Subject]) -> None:
    """Raise `RefusedError` for an image that is marked bad, with the functions that it is of where they are several."""
    owners: dict[str, list[str]] = {}
    for name, subject in subjects.items():
        owners.setdefault(subject.digest, []).append(name or functions.MAIN)
    for rung in machine.representatives:
        for digest, names in owners.items():
            try:
                check_mark(rung, digest)
            except RefusedError as error:
                if machine.settings.function_names != ("",):
                    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                    error.message += f"; it is the image of {', '.join(names[:_SHOWN])}{more}"
                if others := [name or functions.MAIN for name, each in subjects.items() if each.digest != digest]:
                    error.hint += f"; others go on by name: `inv promote --function {others[0]}`"
                raise


def identity(subjects: Mapping[str, Subject]) -> Subject:
    """Return what stands for all images: the project's own function's alone, or a hash over the digests of several."""
    if set(subjects) == {""}:
        return subjects[""]
    digests = {name: subject.digest for name, subject in subjects.items()}
    text = json.dumps(digests, sort_keys=True).encode()
    commits = {subject.git_commit for subject in subjects.values()}
    commit = commits.pop() if len(commits) == 1 else f"{len(subjects)}functions"
    return Subject(f"sha256:{hashlib.sha256(text).hexdigest()}", commit)


def subject_words(subjects: Mapping[str, Subject], whole: Subject) -> str:
    """Return what is promoted as people read it: an image, or how many functions. Of several none may be left."""
    if not subjects:
        return "no function, since every rung serves what it should"
    if len(subjects) > 1:
        named = [name or functions.MAIN for name in subjects]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        return f"{len(named)} functions ({', '.join(named[:_SHOWN])}{more})"
    function, subject = next(iter(subjects.items()), ("", whole))
    of = f" of {function}" if function else ""
    return f"{short(subject.digest)}{of} ({shown_commit(subject.git_commit)})"


def promoted(execution_input: ExecutionInput) -> dict[str, str]:
    """Return the digest of each function that an execution promotes."""
    return {
        split_target(target["environment"])[1]: (target.get("release") or execution_input)["digest"]
        for rung in execution_input["rungs"]
        for target in rung["targets"]
    }
