"""What each function of the pipeline is sent, and what it answers, action by action (see `contract`)."""

from stepladder.promotion.contract import AliasServes, ShiftProgress
from stepladder.promotion.requests.relay import (
    AnswerChildRequest,
    CheckTargetRequest,
    ChildState,
    EndChildRequest,
    PollChildRequest,
    Served,
    ServedRequest,
    StartChildRequest,
    StartChildResponse,
)
from stepladder.promotion.requests.rollback import (
    MoveTrafficRequest,
    RecoverRequest,
    RecoverResponse,
    ReleaseFirstRequest,
    RestoreRequest,
    RestoreResponse,
)
from stepladder.promotion.requests.validate import (
    ActiveRequest,
    ActiveResponse,
    CheckRequest,
    CheckResponse,
    DeployedRequest,
    DeployedResponse,
    PublishRequest,
    PublishResponse,
    TargetFacts,
    UpdatedRequest,
    UpdatedResponse,
    UpdateRequest,
    UpdateResponse,
    ValidateRequest,
)
from stepladder.promotion.requests.verify import (
    AliasRequest,
    AliasResponse,
    CommandRequest,
    CommandResponse,
    JudgeRequest,
    ProbeRequest,
    ProbeResponse,
    RestoredRequest,
    VersionRequest,
    VersionResponse,
)

ACTIONS: dict[str, dict[str, tuple[type, type]]] = {
    "validate": {
        "check": (CheckRequest, CheckResponse),
        "validate": (ValidateRequest, TargetFacts),
        "update": (UpdateRequest, UpdateResponse),
        "updated": (UpdatedRequest, UpdatedResponse),
        "publish": (PublishRequest, PublishResponse),
        "active": (ActiveRequest, ActiveResponse),
        "deployed": (DeployedRequest, DeployedResponse),
    },
    "verify": {
        "command": (CommandRequest, CommandResponse),
        "version": (VersionRequest, VersionResponse),
        "alias": (AliasRequest, AliasResponse),
        "unchanged": (AliasRequest, AliasResponse),
        "judge": (JudgeRequest, ShiftProgress),
        "probe": (ProbeRequest, ProbeResponse),
        "restored": (RestoredRequest, AliasServes),
    },
    "rollback": {
        "restore": (RestoreRequest, RestoreResponse),
        "release_first": (ReleaseFirstRequest, AliasServes),
        "shift": (MoveTrafficRequest, ShiftProgress),
        "settle": (RecoverRequest, RecoverResponse),
    },
    "relay": {
        "check": (CheckTargetRequest, CheckResponse),
        "end": (EndChildRequest, ChildState),
        "look": (PollChildRequest, ChildState),
        "runs": (ServedRequest, Served),
        "start": (StartChildRequest, StartChildResponse),
        "tell": (AnswerChildRequest, ChildState),
    },
}
"""Every action of every function of the pipeline: its request and its response."""
