"""A key that stands twice in `invoke.yaml`: YAML would take the last one, and say nothing."""

import types

import pytest

from stepladder.core.errors import BadInputError
from stepladder.settings import invoke_yaml, load

TWICE = """\
stepladder:
  project: hello
  function:
    secrets:
      API_KEY: ssm
  triggers: [{kind: sqs, name: a, name: b}]
  function:
    memory_mb: 512
"""


def test_each_key_that_stands_twice_is_refused_with_both_lines(tmp_path):
    path = tmp_path / "invoke.yaml"
    path.write_text(TWICE)
    config = types.SimpleNamespace(_project_prefix=str(tmp_path), get=lambda _key, _default: {"project": "hello"})
    with pytest.raises(BadInputError) as caught:
        load.from_context(types.SimpleNamespace(config=config))
    assert caught.value.problems == (
        f"{path}, line 6: the key name is in line 6 already; allowed: once",
        f"{path}, line 7: the key function is in line 3 already; allowed: once",
    )


def test_two_functions_of_one_name_are_refused_with_both_lines(tmp_path):
    path = tmp_path / "invoke.yaml"
    path.write_text("stepladder:\n  functions:\n    mailer: {}\n    poller: {}\n    mailer: {main: {}}\n")
    assert invoke_yaml.repeated(path) == (f"{path}, line 5: the key mailer is in line 3 already; allowed: once",)


@pytest.mark.parametrize(
    "content",
    [
        "a: {b: 1}\nc: {b: 1}\n",
        "- {a: 1}\n- {a: 1}\n",
        "base: &x {a: 1}\none: {<<: *x, b: 1}\ntwo: {<<: *x, b: 1}\n",
        "a: &a [*a]\n",
        "a: [\n",
        "",
    ],
)
def test_the_same_key_in_two_mappings_is_none_that_stands_twice(tmp_path, content):
    (tmp_path / "invoke.yaml").write_text(content)
    assert invoke_yaml.repeated(tmp_path / "invoke.yaml") == ()
    assert invoke_yaml.repeated(tmp_path / "none.yaml") == ()
