"""DynamoDB's streams: Moto writes a record for a change that changes nothing, and breaks where a stream was ended."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest, Cloud, Response


def install(cloud: Cloud) -> None:
    """Correct streams once a table has one (importing Moto's tables at the start would delay it)."""

    @cloud.action("dynamodb", "CreateTable", "UpdateTable")
    def table(request: AwsRequest) -> Response:
        if request.params.get("StreamSpecification"):
            _correct_streams()
        return request.forward_raw()

    cloud.on_save("dynamodb-streams", lambda: _correct_streams.cache_info().currsize > 0)
    cloud.on_load("dynamodb-streams", lambda needed: _correct_streams() if needed else None)


@functools.cache
def _correct_streams() -> None:
    from moto.dynamodb.models.table import StreamShard

    by_moto = StreamShard.add

    @functools.wraps(by_moto)
    def add(shard: Any, old: Any, new: Any) -> None:
        if not (shard.table.stream_specification or {}).get("StreamEnabled"):
            return
        if old is None or new is None or old.attrs != new.attrs:
            by_moto(shard, old, new)

    StreamShard.add = add
