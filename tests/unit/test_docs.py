"""The documentation says what the code does: generated parts are fresh, links resolve, nothing is left out."""

from __future__ import annotations

import importlib.util
import itertools
import re
from pathlib import Path

import pytest

import tasks
from stepladder.collections import namespace
from stepladder.core.errors import ExitCode
from stepladder.promotion import render
from stepladder.promotion.invariants import INVARIANTS
from stepladder.settings.load import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _listed():
    """Every task of this repository, as `inv --list` tells them."""

    def walk(collection, prefix=""):
        for task in collection["tasks"]:
            yield prefix + task["name"], task["help"]
        for inner in collection["collections"]:
            yield from walk(inner, f"{prefix}{inner['name']}.")

    return dict(walk(tasks.ns.serialized()))


def test_generated_documents_are_fresh(generate):
    for path, text in generate.documents().items():
        assert path.read_text("utf-8") == text, f"{path.name} is stale: run python docs/generate.py"


def test_every_task_has_one_sentence_of_help():
    for name, text in _listed().items():
        assert text, f"{name} has no help"
        assert text.endswith("."), name
        assert not text.startswith(("This", "The task")), name


def test_every_task_is_documented(generate):
    known = {name for name, _, _ in generate.tasks()} | {"demo", "bench", "docs"}
    assert {name for name in _listed() if not name.startswith("release.")} <= known
    written = (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / "README.md").read_text()
    for name in ("check", "test", "demo", "bench", "docs", "release"):
        assert f"invoke {name}" in written, name


def test_the_flags_of_a_task_have_their_help_however_often_they_are_made():
    first, again = [[context.help_tuples() for context in namespace().to_contexts()] for _ in range(2)]
    assert first == again
    assert all(text for flags in again for _, text in flags)


def test_every_flag_has_help(generate):
    bare = [
        f"{name} {flag}" for name, _, context in generate.tasks() for flag, text in context.help_tuples() if not text
    ]
    assert bare == []


def test_every_setting_is_described(generate):
    def keys(values, prefix=""):
        for key, value in values.items():
            if isinstance(value, dict) and value:
                yield from keys(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    by_name = ("environments", "functions")
    described = {key for key in generate.settings_tables.SETTINGS if key.partition(".")[0] not in by_name}
    assert described == set(keys(DEFAULTS)) - {*by_name}


def test_every_exit_code_is_in_the_reference(generate):
    assert set(generate.EXIT_CODES) == set(ExitCode)


def test_every_variable_of_our_own_is_described(generate):
    used = set()
    for path in (*(ROOT / "stepladder").rglob("*.py"), *(ROOT / "localcloud").rglob("*.py")):
        used |= set(re.findall(r"\"(STEPLADDER_[A-Z_]+)\"", path.read_text("utf-8")))
    assert used == {name for name in generate.VARIABLES if name.startswith("STEPLADDER_")}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in _anchors(file), f"{page.name}: {target}"


def _anchors(file):
    """GitHub's names of the headings: lower case, punctuation dropped, spaces to hyphens."""
    heads = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_the_docs_exists(page):
    names = {"lock", *_listed()}  # `lock` is a project's
    listed = names | {name.partition(".")[0] for name in names}
    for command in re.findall(r"(?:^|[`$( ])(?:inv|invoke) ([a-z][\w.]*)", page.read_text("utf-8"), re.MULTILINE):
        assert command.rstrip(".") in listed or command in _PROSE, f"{page.name}: inv {command}"


_PROSE = {"calls", "tf.", "local."}


def test_each_fact_about_aws_names_a_test_that_exists():
    rows = re.findall(
        r"^\| ([A-Z]\d+) \|(.*)", (ROOT / "docs" / "reference" / "aws-facts.md").read_text("utf-8"), re.MULTILINE
    )
    assert {f"R{n}" for n in range(1, 10)} <= {fact for fact, _ in rows}
    for fact, row in rows:
        proofs = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert proofs, f"{fact} names no test"
        for path, name in proofs:
            assert re.search(rf"^\s*def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), f"{fact}: {name}"


def test_the_readme_counts_the_promises():
    number = ("nine", "ten", "eleven", "twelve")[len(INVARIANTS) - 9]
    assert f"| **Promises** | {number}, " in (ROOT / "README.md").read_text("utf-8")


def test_each_promise_is_described_and_names_tests_that_exist(generate):
    known = generate.promises.described(ROOT)
    assert list(known) == [invariant.kind for invariant in INVARIANTS]
    for kind, told in known.items():
        assert set(told) == {"title", "means", "holds", "except", "tests"}, kind
        assert len(told["tests"]) > 1, f"{kind}: what tries to break it?"
    text = (ROOT / "docs" / "concepts" / "promises.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert {tuple(test.split("::")) for told in known.values() for test in told["tests"]} <= set(named)
    for path, name in named:
        assert re.search(rf"^\s*def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), f"{path}::{name}"


def test_the_glossary_has_ten_words_at_most_and_each_occurs_in_the_docs():
    words = re.findall(r"^\| ([a-z][a-z ]*) \| ([^|]+\.) \| ([^|]+) \|$", GLOSSARY.read_text("utf-8"), re.MULTILINE)
    assert 0 < len(words) <= 10
    assert len(words) == GLOSSARY.read_text("utf-8").count("\n|") - 2, (
        "a row is no word with a sentence and a neighbour"
    )
    pages = [
        page for page in PAGES if page.name != "CHANGELOG.md" and page != GLOSSARY and "decisions" not in page.parts
    ]
    text = " ".join(" ".join(page.read_text("utf-8").split()) for page in pages)
    for word, sentence, _nearest in words:
        assert re.search(rf"\b{word}s?\b", text), f"nothing says {word}"
        assert ". " not in sentence, f"{word} has one sentence"


def test_every_page_of_the_docs_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in sorted((ROOT / "docs").rglob("*.md")):
        name = page.relative_to(ROOT / "docs").as_posix()
        if name != "README.md" and not re.match(r"decisions/\d", name):
            assert f"]({name})" in index, f"docs/README.md doesn't name {name}"


def test_every_page_of_the_docs_that_the_code_names_exists():
    folders = ("stepladder", "localcloud", "function", "terraform", "template", "tests", "docs")
    files = [
        file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".tf", ".json"}
    ]
    for file in files:
        for name in re.findall(r"(?<![\w/.\"])docs/[\w/-]+\.md", file.read_text("utf-8")):
            assert (ROOT / name).is_file(), f"{file.relative_to(ROOT)} names {name}"


FIRST_FILES = {
    "a trigger kind": "kind.json",
    "a gate of a rung": "ALWAYS: tuple[",
    "a kind of fault": "Fault",
    "an attribute of the ledger": "Release",
    "a field of a smoke case": "max_latency_ms",
    "an image builder": "Protocol",
    "a bucket's name": "def state_bucket",
    "an alarm": "aws_cloudwatch_metric_alarm",
    "a forge": "Protocol",
    "the table of `inv status`": "HEAD = (",
    "a setting of the function": "memory_mb",
    "a store of secrets": "class SecretStore(Protocol)",
    "a shape of a secret's value": "SHAPES",
    "a setting of the image": "keep: int = setting",
    "a setting of promotion": "bake_minutes: int = setting",
    "a setting of an environment": "role_arn: str = setting",
    "another setting": "architecture: str = setting",
    "a service of the local cloud": '"lambda_"',
    "what a call needs of IAM": "MODULES = {",
    "what an upgrade says to a project": "by_hand:",
    "a task or a flag": "TOP_LEVEL",
}
"""What the first file for a change has in it, by which one sees that it is the right one."""


NEIGHBOURS = {
    "stepladder/collections/status.py": "stepladder/commands/status.py",
    "stepladder/core/trigger_kinds.py": "template/templates/triggers/README.md",
    "stepladder/forge/registered.py": "stepladder/forge/interface.py",
    "stepladder/ledger/items.py": "stepladder/ledger/schema.py",
    "stepladder/settings/builders.py": "stepladder/images/builder.py",
    "terraform/modules/foundation/buckets.tf": "stepladder/core/names.py",
    "docs/reference/ledger.md": "stepladder/ledger/schema.py",
    "docs/reference/smoke-cases.md": "stepladder/releases/smoke_case.py",
}
"""Files that one might open first, by their names; each names the first file for the change."""


def test_a_file_that_one_might_open_first_names_the_right_one():
    for opened, first in NEIGHBOURS.items():
        assert first in set(_first_files().values()), first
        assert first in (ROOT / opened).read_text("utf-8"), f"{opened} doesn't name {first}"


def test_the_first_file_of_a_change_is_named_for_it():
    """Somebody who knows the file names alone finds it by a word of the change."""
    for change, file in _first_files().items():
        words = {word.rstrip("s'") for word in re.findall(r"[a-z]{4,}", change)} - {"kind", "field", "attribute"}
        assert change == "a task or a flag" or any(word in file for word in words), f"{change}: {file}"


def _first_files():
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Where does it go?")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([^|]+) \| `([^`]+)` \|", table, re.MULTILINE))


def test_where_a_change_goes_is_said_for_each_kind_and_true():
    rows = _first_files()
    assert set(rows) == set(FIRST_FILES)
    for change, file in rows.items():
        assert FIRST_FILES[change] in (ROOT / file).read_text("utf-8"), f"{change}: {file}"


def test_both_pictures_show_the_same_promotion_and_phases_that_the_code_names():
    light, dark = (
        re.sub(r"#[0-9a-f]{6}", "", (ROOT / "docs" / "pictures" / f"promotion-{theme}.svg").read_text("utf-8"))
        for theme in ("light", "dark")
    )
    assert light == dark
    assert light.count("<svg") == 1
    known = {*render._SHORT, *render._SHORT.values()}
    for line in re.findall(r">([a-z ]+ \d+ (?:s|min)[^<]*)<", light):
        if not line.startswith(("under way", "promoted")):
            assert {re.sub(r" \d.*", "", part) for part in line.split(", ")} <= known, line


def test_the_architecture_draws_every_room_and_only_imports_that_exist():
    text = (ROOT / "docs" / "concepts" / "architecture.md").read_text("utf-8")
    graph = re.sub(r'\[".*?"\]', "", text.split("```mermaid\n")[1].split("```")[0])
    folders = {path.parent.name: path.parent for path in (ROOT / "stepladder").glob("*/__init__.py")}
    folders["localcloud"] = ROOT / "localcloud"
    names = {line: re.split(r" --> ", line.strip()) for line in graph.splitlines() if "-->" in line}
    assert {name for chain in names.values() for name in chain} == set(folders)
    for chain in names.values():
        for upper, lower in itertools.pairwise(chain):
            module = lower if lower == "localcloud" else rf"stepladder\.{lower}"
            code = "\n".join(path.read_text("utf-8") for path in folders[upper].rglob("*.py"))
            package = rf"from stepladder import .*\b{lower}\b"
            assert re.search(rf"(from|import) {module}\b|{package}", code), f"{upper} doesn't import {lower}"
