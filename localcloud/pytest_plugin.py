"""The pytest fixture `localcloud`: a local cloud for a test session."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from localcloud import daemon

_making = threading.Lock()


@functools.cache
def _session() -> Any:
    """Return the one session: each of its own reads AWS's models anew, a tenth of a second for each client."""
    import botocore.session

    return botocore.session.Session()


class LocalCloud:
    """A running local cloud."""

    def __init__(self, info: daemon.CloudInfo) -> None:
        self.info = info
        self.endpoint = info.url

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that point AWS SDKs and Terraform at the cloud."""
        return self.info.env()

    def client(self, service: str, account: str = daemon.ACCOUNT, region: str = daemon.REGION, **config: Any) -> Any:
        """Return a client of this cloud. Failed calls are not tried again. `config` goes to botocore's Config."""
        from botocore.config import Config

        with _making:  # a session makes one client at a time
            return _session().create_client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                aws_access_key_id=account,
                aws_secret_access_key="local",  # noqa: S106 - the local cloud checks none
                verify=False,
                config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
            )

    def calls(self) -> list[str]:
        """Return `service:Action` of every request since the last `reset_calls`."""
        calls: list[str] = self.info.request("calls")["calls"]
        return calls

    def reset_calls(self) -> None:
        """Forget the requests that were made so far."""
        self.info.request("calls", "DELETE")

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put these faults in force in place of all others. Without any, no call fails."""
        self.info.request("faults", "DELETE")
        if rules:
            self.info.request("faults", "POST", list(rules))

    def speed(self, value: float) -> None:
        """Run the cloud's clock at this speed. 1 is real time."""
        self.info.request("clock", "POST", {"speed": value})


@pytest.fixture(scope="session")
def localcloud() -> Iterator[LocalCloud]:
    """Run a local cloud on a free port for the whole test session."""
    with daemon.running() as info:
        yield LocalCloud(info)
