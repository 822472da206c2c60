"""CodeConnections, under its present name and its older one, CodeStar Connections.

A connection here leads to git repositories on this machine: the page says which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, Environ, ServiceError, handles, json_response
from localcloud.scoped_store import ScopedStore
from localcloud.services.codeconnections.model import Connection, ConnectionRegion

PAGE = "/_stepladder/connections"
SERVICES = ("codeconnections", "codestar-connections")


class CodeConnections:
    """The handlers, for either name of the service."""

    def __init__(self, cloud: Cloud) -> None:
        self._repositories = cloud.repositories
        self._regions = ScopedStore(cloud, "codeconnections", ConnectionRegion)
        for service in SERVICES:
            cloud.register(service, self)
        cloud.route(PAGE, self._page)
        cloud.on_save("repositories", lambda: (self._repositories.folders, self._repositories.begun))
        cloud.on_load("repositories", self._restore)

    def _restore(self, saved: tuple[dict[tuple[str, str], str], dict[tuple[str, str], dict[str, str]]]) -> None:
        self._repositories.folders, self._repositories.begun = saved

    def _region(self, request: AwsRequest) -> ConnectionRegion:
        return self._regions.of(request.account, request.region)

    def _described(self, connection: Connection) -> dict[str, str]:
        return connection.describe(available=bool(self._repositories.reached(connection.arn)))

    @handles
    def create_connection(self, request: AwsRequest) -> dict[str, Any]:
        """Make a connection. Its name needn't be the only one of its kind."""
        params = request.params
        provider, host = str(params.get("ProviderType") or ""), str(params.get("HostArn") or "")
        if bool(provider) == bool(host):
            raise ServiceError("InvalidInputException", "Provide either a ProviderType or a HostArn")
        with self._regions.lock:
            connection = self._region(request).add(
                request.service, params["ConnectionName"], provider or "GitHubEnterpriseServer", host
            )
            connection.tags.update({tag["Key"]: tag["Value"] for tag in params.get("Tags") or ()})
        return {"ConnectionArn": connection.arn, "Tags": _tags(connection)}

    @handles
    def get_connection(self, request: AwsRequest) -> dict[str, Any]:
        """Return a connection."""
        return {"Connection": self._described(self._region(request).connection(request.params["ConnectionArn"]))}

    @handles
    def list_connections(self, request: AwsRequest) -> dict[str, Any]:
        """List connections."""
        provider, host = request.params.get("ProviderTypeFilter"), request.params.get("HostArnFilter")
        return {
            "Connections": [
                self._described(each)
                for each in list(self._region(request).connections.values())
                if provider in (None, each.provider) and host in (None, each.host)
            ]
        }

    @handles
    def delete_connection(self, request: AwsRequest) -> dict[str, Any]:
        """Delete a connection, and forget its repositories."""
        with self._regions.lock:
            region = self._region(request)
            connection = region.connection(request.params["ConnectionArn"])
            del region.connections[connection.arn.rpartition("/")[2]]
            self._repositories.disconnect(connection.arn)
        return {}

    @handles
    def list_tags_for_resource(self, request: AwsRequest) -> dict[str, Any]:
        """List a connection's tags."""
        return {"Tags": _tags(self._region(request).connection(request.params["ResourceArn"]))}

    @handles
    def tag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Tag a connection."""
        connection = self._region(request).connection(request.params["ResourceArn"])
        connection.tags.update({tag["Key"]: tag["Value"] for tag in request.params["Tags"]})
        return {}

    @handles
    def untag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Untag a connection."""
        connection = self._region(request).connection(request.params["ResourceArn"])
        for key in request.params["TagKeys"]:
            connection.tags.pop(key, None)
        return {}

    # -- the page

    def _page(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Show connections with what they reach, or let one reach a repository."""
        try:
            if environ["REQUEST_METHOD"] == "POST":
                order = json.loads(environ["wsgi.input"].read() or b"{}")
                self._connect(str(order["connection"]), str(order["repository"]), str(order["path"]))
            response = json_response({"connections": [self._shown(each) for each in self._all()]})
        except (ValueError, TypeError) as error:
            response = json_response({"error": str(error)}, 400)
        except KeyError as error:
            response = json_response({"error": f"{error} is missing: give connection, repository and path"}, 400)
        start_response(f"{response.status} -", [*response.headers.items(), ("Content-Length", str(len(response.body)))])
        return [response.body]

    def _all(self) -> list[Connection]:
        return [connection for region in self._regions for connection in list(region.connections.values())]

    def _connect(self, name: str, repository: str, folder: str) -> None:
        connections = [each for each in self._all() if name in (each.arn, each.name)]
        if len(connections) != 1:
            raise ValueError(f"{len(connections)} connections are {name}: name one by its ARN")
        self._repositories.connect(connections[0].arn, repository, folder)

    def _shown(self, connection: Connection) -> dict[str, Any]:
        reached = self._repositories.reached(connection.arn)
        return {"arn": connection.arn, "name": connection.name, "repositories": reached}


def _tags(connection: Connection) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in connection.tags.items()]


def install(cloud: Cloud) -> None:
    """Register the actions and the page."""
    CodeConnections(cloud)
