"""Help texts are a verb and its object, or name a value; a reader needs none of our private words."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from words import PRIVATE

from stepladder.collections import namespace, project

ROOT = Path(__file__).resolve().parents[2]
VERBS = {
    "Add",
    "Allow",
    "Apply",
    "Approve",
    "Ask",
    "Build",
    "Call",
    "Change",
    "Check",
    "Delete",
    "Deploy",
    "Destroy",
    "Explain",
    "Fix",
    "Keep",
    "Lock",
    "Make",
    "Mark",
    "Measure",
    "Print",
    "Promote",
    "Read",
    "Rebuild",
    "Redrive",
    "Reject",
    "Release",
    "Remove",
    "Request",
    "Resolve",
    "Resume",
    "Return",
    "Roll",
    "Run",
    "Save",
    "Send",
    "Set",
    "Shift",
    "Show",
    "Skip",
    "Start",
    "Stop",
    "Take",
    "Test",
    "Use",
    "Wait",
    "Watch",
    "Write",
}
VALUES = {
    "Account",
    "Additional",
    "Address",
    "Architecture",
    "Arguments",
    "AWS",
    "Body",
    "CI",
    "Description",
    "Digest",
    "Environment",
    "Event",
    "File",
    "Folder",
    "Header",
    "Hours",
    "Id",
    "Image",
    "JSON",
    "Kind",
    "Method",
    "Mode",
    "Name",
    "Names",
    "Number",
    "Path",
    "Port",
    "Processor",
    "Published",
    "Python",
    "Query",
    "Reason",
    "Region",
    "Release",
    "Rung",
    "Seconds",
    "Short",
    "Tag",
    "Terraform",
    "Time",
    "Trigger",
    "Version",
}


def _own():
    spec = importlib.util.spec_from_file_location("own_tasks", ROOT / "tasks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ns


def _texts():
    """Yield every help text: name of the task or flag, whether it is a task's, and the text."""
    root = namespace()
    for each in (project.check, project.test, project.lock):
        root.add_task(each)
    for collection in (root, _own()):
        for context in collection.to_contexts():
            yield context.name, True, str(collection[context.name].__doc__).strip().partition("\n")[0]
            for flags, text in context.help_tuples():
                yield f"{context.name} {flags}", False, text


TEXTS = list(_texts())


def test_a_task_is_a_verb_and_its_object():
    wrong = [f"{name}: {text}" for name, is_task, text in TEXTS if is_task and text.split()[0] not in VERBS]
    assert wrong == []


def test_a_flag_is_a_verb_and_its_object_or_names_a_value():
    wrong = [
        f"{name}: {text}" for name, _, text in TEXTS if re.split(r"[ :;,]", text, maxsplit=1)[0] not in VERBS | VALUES
    ]
    assert wrong == []


def test_every_help_text_is_one_sentence_with_a_full_stop():
    wrong = [f"{name}: {text}" for name, _, text in TEXTS if not text.endswith(".") or re.search(r"\. [A-Z]", text)]
    assert wrong == []


def test_no_help_text_has_a_private_word():
    assert [f"{name}: {found[0]}" for name, _, text in TEXTS for found in [PRIVATE.search(text)] if found] == []


@pytest.mark.parametrize("text", ["Take it up again.", "It climbs.", "Mend the settings.", "Look at the ledger."])
def test_a_private_word_is_found(text):
    assert PRIVATE.search(text)
