"""A local cloud under test."""

from __future__ import annotations

from typing import Any

from stepladder.local import manager


class RunningCloud:
    """A local cloud under test."""

    def __init__(self, info: manager.CloudInfo) -> None:
        self.info = info
        self.url = info.url

    @property
    def env(self) -> dict[str, str]:
        return self.info.env()

    def calls(self) -> list[str]:
        """`service:Action` of every request since the last `reset_calls`."""
        found: list[str] = self.info.request("calls")["calls"]
        return found

    def reset_calls(self) -> None:
        self.info.request("calls", "DELETE")

    def faults(self, *rules: dict[str, Any]) -> None:
        """Put these faults in force instead of those that are; none clears them."""
        self.info.request("faults", "DELETE")
        if rules:
            self.info.request("faults", "POST", list(rules))

    def hits(self) -> int:
        return sum(rule["hits"] for rule in self.info.request("faults")["faults"])

    def speed(self, value: float) -> None:
        self.info.request("clock", "POST", {"speed": value})

    def client(self, service: str, account: str = manager.ACCOUNT, region: str = manager.REGION, **config: Any) -> Any:
        """A botocore client of this cloud; `config` goes to botocore's Config (retries, timeouts)."""
        import botocore.session
        from botocore.config import Config

        return botocore.session.Session().create_client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=account,
            aws_secret_access_key="local",
            verify=False,
            config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
        )
