"""What CodeConnections keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from localcloud.cloud import ServiceError
from stepladder.core.names import partition_of


@dataclass
class Connection:
    """A connection. It is PENDING until it reaches a repository, as one is on AWS until somebody completes it there."""

    arn: str
    name: str
    provider: str
    account: str
    host: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    def describe(self, *, available: bool) -> dict[str, str]:
        """Return the connection as GetConnection does."""
        shown = {
            "ConnectionName": self.name,
            "ConnectionArn": self.arn,
            "ProviderType": self.provider,
            "OwnerAccountId": self.account,
            "ConnectionStatus": "AVAILABLE" if available else "PENDING",
        }
        return shown | ({"HostArn": self.host} if self.host else {})


@dataclass
class ConnectionRegion:
    """All connections of one account and region, by their ids."""

    account: str
    region: str
    connections: dict[str, Connection] = field(default_factory=dict)

    def add(self, service: str, name: str, provider: str, host: str) -> Connection:
        """Keep a new connection. Its ARN has the name of the service that was called, as on AWS."""
        arn = f"arn:{partition_of(self.region)}:{service}:{self.region}:{self.account}:connection/{uuid4()}"
        connection = Connection(arn, name, provider, self.account, host)
        self.connections[arn.rpartition("/")[2]] = connection
        return connection

    def connection(self, arn: str) -> Connection:
        """Return a connection, or raise the service's error."""
        connection = self.connections.get(arn.rpartition("/")[2])
        if connection is None or connection.arn != arn:
            raise ServiceError("ResourceNotFoundException", f"Connection {arn} not found")
        return connection
