"""Objects as bytes and back. What is read back can hold data only: it names classes of a short list, and no functions.

A pickle may name any importable function and call it. Folders travel (in archives, in repositories), so reading one
must not run code that its maker chose.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import pickletools
import threading
import types
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

OWNERS = frozenset({"localcloud", "moto"})
"""Packages whose own classes may stand in a snapshot."""

KNOWN = frozenset(
    {
        *(("builtins", name) for name in ("bytearray", "complex", "frozenset", "object", "range", "set", "slice")),
        *(("collections", name) for name in ("OrderedDict", "defaultdict", "deque", "Counter")),
        *(("datetime", name) for name in ("date", "datetime", "time", "timedelta", "timezone")),
        *(("_thread", name) for name in ("allocate_lock", "lock", "RLock")),
        *(("threading", name) for name in ("Condition", "Event", "Lock", "RLock", "Semaphore")),
        ("_io", "BytesIO"),
        ("_io", "StringIO"),
        ("copyreg", "__newobj__"),
        ("copyreg", "_reconstructor"),
        ("decimal", "Decimal"),
        ("ipaddress", "IPv4Network"),
        ("re", "_compile"),
        ("localcloud.snapshot", "_nothing"),
        ("localcloud.snapshot", "_private_key"),
        ("types", "SimpleNamespace"),
        ("uuid", "UUID"),
        ("zoneinfo", "ZoneInfo._unpickle"),
        *(("builtins", name) for name in ("dict", "list", "tuple", "str", "int", "float", "bool", "bytes")),
    }
)
"""What else may stand in one. None of these calls what it is given."""


MOVED_MODULES = {
    "alarms": "localcloud.services.cloudwatch.model",
    "asl.history": "localcloud.services.stepfunctions.asl.history",
    "asl.parts": "localcloud.services.stepfunctions.asl.states",
    "metrics": "localcloud.metrics",
    "plugins.codedeploy_groups": "localcloud.services.codedeploy.store",
    "plugins.codedeploy_model": "localcloud.services.codedeploy.model",
    "plugins.lambda_model": "localcloud.services.lambda_.model",
    "plugins.stepfunctions_model": "localcloud.services.stepfunctions.model",
    "snapshot": "localcloud.snapshot",
}
"""Where the classes are now that snapshots of v0.1.0 name: it had the local cloud in the package `stepladder`."""
MOVED_CLASSES = {
    ("plugins.cloudwatch", "_Region"): ("localcloud.services.cloudwatch.store", "AlarmRegion"),
    ("plugins.lambda_model", "Alias"): ("localcloud.services.lambda_.model", "FunctionAlias"),
    ("plugins.lambda_model", "Key"): ("localcloud.services.lambda_.model", "FunctionKey"),
    ("plugins.stepfunctions_model", "Execution"): ("localcloud.services.stepfunctions.model", "MachineExecution"),
    ("plugins.stepfunctions_model", "States"): ("localcloud.services.stepfunctions.store", "MachineStore"),
}
"""The same for single classes."""


def _present_name(module: str, name: str) -> tuple[str, str]:
    """Return module and name of a class today, of one that v0.1.0 named."""
    package, _, old = module.partition(".local.")
    if package != "stepladder":
        return module, name
    return MOVED_CLASSES.get((old, name), (MOVED_MODULES.get(old, module), name))


class ForbiddenError(pickle.UnpicklingError):
    """A snapshot names what is neither data nor a class of ours."""


class WithoutFactory(dict[Any, Any]):
    """A defaultdict whose factory is a function inside another, which no snapshot can name. `restore` gives it back."""


def _nothing() -> None:
    return None


def _private_key(pem: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, password=None)


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


_KINDS: dict[type, Any] = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
_LOCK_TYPES = (*_KINDS, threading.Event, threading.Condition, threading.Semaphore)


class _Pickler(pickle.Pickler):
    """Leave out what belongs to the process and not to the state: locks, threads, generators."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, _LOCK_TYPES):
            return type(value) if value.__class__.__module__ == "threading" else _KINDS[type(value)], ()
        if isinstance(value, types.GeneratorType | threading.Thread):
            return _nothing, ()
        if isinstance(value, defaultdict):
            return _of_defaultdict(value)
        if type(value).__module__.startswith("cryptography.") and hasattr(value, "private_bytes"):
            return _private_key, (_pem(value),)  # of KMS
        return NotImplemented


def _of_defaultdict(value: defaultdict[Any, Any]) -> Any:
    """Return how a defaultdict is kept: pickle would call a subclass's own `__init__` with the factory alone."""
    items = iter(list(value.items()))
    if "<locals>" in getattr(value.default_factory, "__qualname__", ""):
        return WithoutFactory, (), None, None, items
    if type(value) is defaultdict:
        return NotImplemented
    state = (vars(value), {"default_factory": value.default_factory})
    return copyreg.__newobj__, (type(value),), state, None, items  # type: ignore[attr-defined]


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module, name = _present_name(module, name)
        if (module, name) in KNOWN:
            return super().find_class(module, name)
        if module.partition(".")[0] in OWNERS and "." not in name:
            cls = super().find_class(module, name)
            if isinstance(cls, type) and cls.__module__ == module:
                return cls
        raise ForbiddenError(f"it names {module}.{name}")


def dump(value: Any) -> bytes:
    """Return a value as bytes that `load` takes. Raises what pickling raises, and `ForbiddenError`."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=4).dump(value)
    data = buffer.getvalue()
    reader = _Unpickler(io.BytesIO())
    for module, name in set(_named(data)):
        reader.find_class(module, name)
    return data


def load(data: bytes) -> Any:
    """Return the value of `dump`. Raises `ForbiddenError` before anything that was named is called."""
    return _Unpickler(io.BytesIO(data)).load()


def restore(value: Any, fresh: Any) -> None:
    """Give the attributes of an object that was loaded the factories that a fresh one of its kind has."""
    for name, kept in vars(value).items():
        if isinstance(kept, WithoutFactory):
            setattr(value, name, defaultdict(getattr(fresh, name).default_factory, kept))


def lacks_factories(value: Any) -> bool:
    """Say whether an object that was loaded has attributes to `restore`."""
    return any(isinstance(kept, WithoutFactory) for kept in getattr(value, "__dict__", {}).values())


def _named(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the globals that a pickle names: of protocol 4 by two strings, of which either may be a memoised one."""
    memo: list[Any] = []
    strings: list[Any] = []
    last: Any = None
    for code, argument, _position in pickletools.genops(data):
        if code.name == "MEMOIZE":
            memo.append(last)
            continue
        if code.name in ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"):
            last = argument
            strings.append(argument)
        elif code.name in ("BINGET", "LONG_BINGET"):
            last = memo[int(argument or 0)]
            strings.append(last)
        elif code.name == "STACK_GLOBAL":
            yield str(strings[-2]), str(strings[-1])
            last = None
        else:
            last = None
