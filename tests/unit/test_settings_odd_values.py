"""Whatever YAML can hold, in the place of any setting, ends in settings or in a message: never in a stack trace."""

import contextlib
import copy
import datetime as dt

import pytest

from stepladder.core.errors import BadInputError
from stepladder.settings import load
from stepladder.settings.table import settings_of
from stepladder.settings.trigger_settings import tables

PLACE = {"account": "123456789012", "region": "eu-west-1"}
ODD = [
    *(
        None,
        0,
        float("nan"),
        True,
        "",
        "\u00fc\x00\n" * 2000,
        "${local.x}",
        "${local.x",
        dt.date(2026, 11, 26),
        b"bytes",
    ),
    *([], [[]], [None], [{}], {"a": None}, {None: {1: [2]}}),
]
STATEMENT = {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::orders/*"]}


def keys(raw, before=()):
    for name, value in raw.items():
        yield (*before, name)
        if isinstance(value, dict):
            yield from keys(value, (*before, name))


SETTINGS = [
    *keys(load.DEFAULTS),
    *(("environments", "staging", name) for name in ("account", "region", "role_arn", "function", "triggers")),
    *(("function", section, "NAME") for section in ("environment", "secrets", "not_secret")),
]


def read(tmp_path, raw):
    with contextlib.suppress(BadInputError):
        load.load(raw, tmp_path)


@pytest.mark.parametrize("key", SETTINGS, ids=".".join)
def test_a_setting_takes_an_odd_value_or_refuses_it(tmp_path, key):
    for odd in ODD:
        raw = {"project": "hello", "environments": {"staging": copy.deepcopy(PLACE)}}
        section = raw
        for name in key[:-1]:
            section = section.setdefault(name, {})
        section[key[-1]] = odd
        read(tmp_path, raw)


@pytest.mark.parametrize("kind", tables())
def test_a_setting_of_a_trigger_takes_an_odd_value_or_refuses_it(tmp_path, kind):
    for name in ("kind", "name", *(each.name for each in settings_of(tables()[kind].settings))):
        for odd in ODD:
            read(tmp_path, {"environments": {"staging": PLACE}, "triggers": [{"kind": kind, name: odd}]})


@pytest.mark.parametrize("key", ["actions", "conditions", "effect", "reason", "resources", "sid", "file", "reasons"])
def test_a_statement_takes_an_odd_value_or_refuses_it(tmp_path, key):
    for odd in ODD:
        entry = {"file": "policies/a.json"} if key in ("file", "reasons") else STATEMENT
        read(tmp_path, {"environments": {"staging": PLACE}, "function": {"permissions": [entry | {key: odd}]}})
