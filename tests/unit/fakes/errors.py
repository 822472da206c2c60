"""AWS errors as botocore raises them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


def error(code: str, status: int = 400, message: str = "text that nobody may match on", **extra: Any) -> ClientError:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **extra}
    return ClientError(response, "Fake")


THROTTLED = error("TooManyRequestsException", 429)
CONFLICT = error("ResourceConflictException", 409)
BROKEN = error("ServiceException", 500)
DENIED = error("AccessDeniedException", 403)


class Scripted:
    """Calls of a fake client: recorded, and made to fail or to be preceded by something on request."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._failures: dict[str, list[Exception | None]] = {}
        self._before: dict[str, list[Any]] = {}
        self._after: dict[str, list[Any]] = {}

    def fail(self, action: str, failure: Exception, times: int = 1, after: int = 0) -> None:
        """Make the next `times` calls of an action fail, once `after` calls have passed."""
        self._failures.setdefault(action, []).extend([None] * after + [failure] * times)

    def before(self, action: str, what: Any) -> None:
        """Run something once before the next call of an action: what another person does just then."""
        self._before.setdefault(action, []).append(what)

    def after(self, action: str, what: Any) -> None:
        """Run something once after the next call of an action has taken effect; an exception is its lost answer."""
        self._after.setdefault(action, []).append(what)

    def called(self, action: str) -> None:
        self.calls.append(action)
        if self._before.get(action):
            self._before[action].pop(0)()
        if self._failures.get(action):
            failure = self._failures[action].pop(0)
            if failure:
                raise failure

    def answered(self, action: str) -> None:
        if self._after.get(action):
            self._after[action].pop(0)()
