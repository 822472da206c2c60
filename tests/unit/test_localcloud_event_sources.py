"""Event source mappings: what ends their polling."""

from __future__ import annotations

import threading

from localcloud.services.lambda_.model import FunctionKey
from localcloud.services.lambda_.triggers import source_mapping
from localcloud.services.lambda_.triggers.source_mapping import SourceMapping, keep_polling


class FaultySource:
    """Breaks on the first poll. The second is the last."""

    def __init__(self):
        self.polls = 0

    def poll(self, _mapping, stopped):
        self.polls += 1
        if self.polls == 1:
            raise KeyError("a fault")
        stopped.set()


def test_a_fault_is_logged_and_polling_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(source_mapping, "_PAUSE_SECONDS", 0)
    source = FaultySource()
    keep_polling(source, SourceMapping(FunctionKey("123456789012", "us-east-1", "f"), "", {}), threading.Event())
    assert source.polls == 2
    assert "a fault" in capsys.readouterr().err
