"""What a session of ours knows of AWS is what botocore's own session knows."""

from __future__ import annotations

import json
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import DataNotFoundError
from botocore.session import Session

from stepladder.core import aws_models


@pytest.fixture
def ours() -> Session:
    session = botocore.session.get_session()
    aws_models.read_quickly(session)
    return session


@pytest.mark.parametrize(
    "name", ["endpoints", "lambda/2015-03-31/service-2", "dynamodb/2012-08-10/endpoint-rule-set-1"]
)
def test_a_model_is_the_one_botocore_reads_in_the_same_order(ours: Session, name: str) -> None:
    read, expected = ours.get_data(name), botocore.session.get_session().get_data(name)
    assert json.dumps(read) == json.dumps(expected)


def test_models_of_aws_data_path_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text('{"partitions": [], "version": 99}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    session = botocore.session.get_session()
    aws_models.read_quickly(session)
    assert session.get_data("endpoints") == {"partitions": [], "version": 99}


def test_a_service_that_aws_does_not_have_is_botocore_s_error(ours: Session) -> None:
    with pytest.raises(DataNotFoundError, match="no-such"):
        ours.create_client(
            "no-such-service", region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
        )
