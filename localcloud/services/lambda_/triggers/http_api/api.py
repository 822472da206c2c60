"""API Gateway's actions for HTTP APIs that Moto lacks, and addresses that lead here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest, Cloud, Handler, Response, ServiceError
from localcloud.http.function_addresses import API_HOST, API_PATH
from localcloud.services.lambda_.triggers.deliveries import FunctionDeliveries
from localcloud.services.lambda_.triggers.http_api.gateway import Gateway
from localcloud.services.lambda_.triggers.http_api.routes import DEFAULT

_SERVICE = "apigatewayv2"
_AUTHORIZATIONS = ("NONE", "AWS_IAM")
_STAGE = {
    "AccessLogSettings": "access_log_settings",
    "AutoDeploy": "auto_deploy",
    "ClientCertificateId": "client_certificate_id",
    "DefaultRouteSettings": "default_route_settings",
    "Description": "description",
    "RouteSettings": "route_settings",
    "StageVariables": "stage_variables",
}
_NESTED = ("AccessLogSettings", "DefaultRouteSettings")


def install(cloud: Cloud, deliveries: FunctionDeliveries) -> None:
    """Register the actions and the addresses."""
    gateway = Gateway(cloud, deliveries)
    cloud.route(API_PATH, gateway)
    cloud.host(API_HOST, gateway.by_host)
    cloud.on_stop(gateway.close)
    apis = HttpApis(cloud)
    cloud.on_save("http-api-deployments", lambda: dict(apis.deployments))
    cloud.on_load("http-api-deployments", apis.deployments.update)


class HttpApis:
    """The handlers. `deployments` has those of each API by id: Moto keeps none."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.deployments: dict[str, dict[str, dict[str, Any]]] = {}
        handlers: dict[str, Handler] = {
            "CreateApi": self._create,
            "GetApi": _addressed,
            "UpdateApi": _addressed,
            "ImportApi": _addressed,
            "ReimportApi": _addressed,
            "GetApis": _all,
            "CreateRoute": _route,
            "UpdateRoute": _route,
            "UpdateStage": self._update_stage,
            "CreateStage": self._create_stage,
            "CreateDeployment": self._deploy,
            "GetDeployment": self._deployment,
            "GetDeployments": self._all_deployments,
            "DeleteDeployment": self._delete_deployment,
        }
        for action, handler in handlers.items():
            cloud.action(_SERVICE, action)(handler)

    def _create(self, request: AwsRequest) -> dict[str, Any]:
        """CreateApi. With a Target it makes the integration, the route and the stage, too."""
        params = request.params
        answer = _addressed(request)
        if target := params.get("Target"):
            where = {"region": request.region, "account": request.account}
            api = {"ApiId": answer["ApiId"]}
            integration = self._cloud.call(
                _SERVICE,
                "CreateIntegration",
                {**api, "IntegrationType": "AWS_PROXY", "IntegrationUri": target, "PayloadFormatVersion": "2.0"},
                **where,
            )
            route = {"RouteKey": params.get("RouteKey") or DEFAULT}
            target = f"integrations/{integration['IntegrationId']}"
            self._cloud.call(_SERVICE, "CreateRoute", {**api, **route, "Target": target}, **where)
            self._cloud.call(_SERVICE, "CreateStage", {**api, "StageName": DEFAULT, "AutoDeploy": True}, **where)
        return answer

    def _create_stage(self, request: AwsRequest) -> dict[str, Any]:
        """CreateStage. A name stands once in an API."""
        params = request.params
        if params["StageName"] in _api(request).stages:
            raise ServiceError("ConflictException", "Stage already exists", 409)
        answer = request.forward()
        return _written(answer, _api(request).stages[params["StageName"]])

    def _update_stage(self, request: AwsRequest) -> dict[str, Any]:
        """UpdateStage: what it leaves out stays as it is."""
        params = request.params
        stage = _api(request).stages.get(str(params["StageName"]))
        if stage is None:
            raise _not_found("stage identifier")
        for name, attribute in _STAGE.items():
            if params.get(name) is not None:
                value = params[name]
                setattr(stage, attribute, _lower_keys(value) if name in _NESTED else value)
        if params.get("DeploymentId"):
            stage.config["deploymentId"] = params["DeploymentId"]
        stage.updated = datetime.now()  # noqa: DTZ005 - as Moto writes it
        where = {"region": request.region, "account": request.account}
        named = {"ApiId": params["ApiId"], "StageName": params["StageName"]}
        return _written(self._cloud.call(_SERVICE, "GetStage", named, **where), stage)

    def _deploy(self, request: AwsRequest) -> dict[str, Any]:
        """CreateDeployment. Routes are live at once, so that it only makes a stage answer."""
        params, api = request.params, _api(request)
        deployment: dict[str, Any] = {
            "DeploymentId": uuid4().hex[:6],
            "DeploymentStatus": "DEPLOYED",
            "AutoDeployed": False,
            "CreatedDate": datetime.now(UTC),
            "Description": str(params.get("Description") or ""),
        }
        if name := params.get("StageName"):
            if name not in api.stages:
                raise _not_found("stage identifier")
            api.stages[name].config["deploymentId"] = deployment["DeploymentId"]
        self.deployments.setdefault(str(params["ApiId"]), {})[str(deployment["DeploymentId"])] = deployment
        return deployment

    def _deployment(self, request: AwsRequest) -> dict[str, Any]:
        """GetDeployment."""
        of_api = self.deployments.get(str(request.params["ApiId"]), {})
        try:
            return of_api[str(request.params["DeploymentId"])]
        except KeyError:
            raise _not_found("deployment identifier") from None

    def _all_deployments(self, request: AwsRequest) -> dict[str, Any]:
        """GetDeployments."""
        return {"Items": list(self.deployments.get(str(request.params["ApiId"]), {}).values())}

    def _delete_deployment(self, request: AwsRequest) -> None:
        """DeleteDeployment."""
        self._deployment(request)
        del self.deployments[str(request.params["ApiId"])][str(request.params["DeploymentId"])]


def _api(request: AwsRequest) -> Any:
    """Return Moto's API. Raises NotFoundException."""
    from moto.apigatewayv2.models import apigatewayv2_backends

    api = apigatewayv2_backends[request.account][request.region].apis.get(str(request.params["ApiId"]))
    if api is None:
        raise _not_found("API identifier")
    return api


def _not_found(what: str) -> ServiceError:
    return ServiceError("NotFoundException", f"Invalid {what} specified", 404)


def _addressed(request: AwsRequest) -> dict[str, Any]:
    """Give an API the address that leads here."""
    answer = request.forward()
    return _with_endpoint(request, answer)


def _all(request: AwsRequest) -> dict[str, Any]:
    answer = request.forward()
    return {**answer, "Items": [_with_endpoint(request, each) for each in answer.get("Items") or ()]}


def _with_endpoint(request: AwsRequest, api: Mapping[str, Any]) -> dict[str, Any]:
    if api.get("ProtocolType") != "HTTP":
        return dict(api)
    return {**api, "ApiEndpoint": f"{request.origin}{API_PATH}{api['ApiId']}"}


def _route(request: AwsRequest) -> Response:
    """Refuse a key that the API has already, and authorizers that the local cloud doesn't ask."""
    params, api = request.params, _api(request)
    kind = str(params.get("AuthorizationType") or "NONE")
    if api.protocol_type == "HTTP" and kind not in _AUTHORIZATIONS:
        message = f"the local cloud offers the authorization {' and '.join(_AUTHORIZATIONS)}, not {kind}"
        raise ServiceError("BadRequestException", message, 400)
    others = {str(r.route_key) for r in list(api.routes.values()) if r.route_id != params.get("RouteId")}
    if params.get("RouteKey") in others:
        raise ServiceError("ConflictException", f"Route with key {params['RouteKey']} already exists for this API", 409)
    return request.forward_raw()


def _written(answer: dict[str, Any], stage: Any) -> dict[str, Any]:
    deployment = stage.config.get("deploymentId")
    return {**answer, **({"DeploymentId": deployment} if deployment else {})}


def _lower_keys(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name[:1].lower() + name[1:]: each for name, each in value.items()}
