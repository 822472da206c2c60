"""Tags of a session that a web identity token brings with it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.protocol.codec import ServiceError

CLAIM = "https://aws.amazon.com/tags"
_TAGS, _TRANSITIVE = "principal_tags", "transitive_tag_keys"
_MOST, _KEY, _VALUE = 50, 128, 256


def read(claims: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the tags of a token's claims, nested or flattened, and the keys of those that are transitive.

    Raises the error of tags that STS refuses.
    """
    nested = claims.get(CLAIM) or {}
    if not isinstance(nested, Mapping) or not isinstance(nested.get(_TAGS) or {}, Mapping):
        raise ServiceError("InvalidIdentityToken", f"The claim {CLAIM} is not an object", 400)
    flat = f"{CLAIM}/{_TAGS}/"
    given = {**(nested.get(_TAGS) or {}), **{k.removeprefix(flat): v for k, v in claims.items() if k.startswith(flat)}}
    tags = {name: _single(name, value) for name, value in given.items()}
    for problem in _problems(tags):
        raise ServiceError("ValidationError", problem, 400)
    transitive = claims.get(f"{CLAIM}/{_TRANSITIVE}") or nested.get(_TRANSITIVE) or ()
    return tags, tuple(map(str, [transitive] if isinstance(transitive, str) else transitive))


def _single(name: str, value: Any) -> str:
    """Return a tag's one value, which a token may have as a list."""
    values = value if isinstance(value, list) else [value]
    if len(values) != 1 or not isinstance(values[0], str):
        raise ServiceError("InvalidIdentityToken", f"The session tag {name} must have one text as its value", 400)
    return values[0]


def _problems(tags: Mapping[str, str]) -> Iterator[str]:
    if len(tags) > _MOST:
        yield f"A session has at most {_MOST} tags, and the token has {len(tags)}"
    if len({name.lower() for name in tags}) < len(tags):
        yield "Session tags must differ by more than upper and lower case"
    for name, value in tags.items():
        if not 0 < len(name) <= _KEY or len(value) > _VALUE:
            yield f"The session tag {name[:_KEY]} is too long: at most {_KEY} characters, its value {_VALUE}"
        if name.lower().startswith("aws:"):
            yield f"The session tag {name} begins with aws:, which is reserved"
