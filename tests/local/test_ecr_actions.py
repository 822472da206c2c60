"""ECR's own view of the images that the registry took, and the other way round."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

pytestmark = pytest.mark.cloud
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Ecr:
    """A repository, spoken to by boto3 only."""

    def __init__(self, client: Any, name: str) -> None:
        self.client, self.name = client, name

    def __getattr__(self, action: str) -> Any:
        return lambda **params: getattr(self.client, action)(repositoryName=self.name, **params)

    def code(self, action: str, **params: Any) -> str:
        with pytest.raises(ClientError) as caught:
            getattr(self, action)(**params)
        return str(caught.value.response["Error"]["Code"])

    def layer(self, data: bytes) -> str:
        upload = self.initiate_layer_upload()["uploadId"]
        for start in range(0, len(data), 4):
            part = data[start : start + 4]
            self.upload_layer_part(
                uploadId=upload, partFirstByte=start, partLastByte=start + len(part) - 1, layerPartBlob=part
            )
        done: str = self.complete_layer_upload(uploadId=upload, layerDigests=[digest(data)])["layerDigest"]
        return done

    def manifest(self, layer: bytes = b"layer bytes", **labels: str) -> str:
        config = json.dumps({"architecture": "amd64", "config": {"Labels": labels}}).encode()
        parts = [{"digest": self.layer(data), "size": len(data), "mediaType": "m"} for data in (config, layer)]
        document = {"schemaVersion": 2, "mediaType": DOCKER, "config": parts[0], "layers": parts[1:]}
        return json.dumps(document)

    def put(self, tag: str, manifest: str = "") -> str:
        answer = self.put_image(imageManifest=manifest or self.manifest(), imageTag=tag)
        found: str = answer["image"]["imageId"]["imageDigest"]
        return found


@pytest.fixture
def ecr(cloud: Any) -> Iterator[Ecr]:
    made = Ecr(cloud.client("ecr"), f"r{uuid.uuid4().hex[:8]}")
    made.create_repository(imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": True})
    yield made
    made.delete_repository(force=True)


def test_the_repository_is_named_as_on_aws(ecr: Ecr) -> None:
    found = ecr.client.describe_repositories(repositoryNames=[ecr.name])["repositories"][0]
    assert found["repositoryUri"] == f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{ecr.name}"


def test_an_image_is_described_with_its_real_digest_and_size(ecr: Ecr) -> None:
    manifest = ecr.manifest()
    pushed = ecr.put("v1", manifest)
    assert pushed == digest(manifest.encode())
    detail = ecr.describe_images(imageIds=[{"imageTag": "v1"}])["imageDetails"][0]
    assert detail["imageDigest"] == pushed
    assert detail["imageTags"] == ["v1"]
    document = json.loads(manifest)
    assert detail["imageSizeInBytes"] == sum(p["size"] for p in (document["config"], *document["layers"]))
    assert detail["imageManifestMediaType"] == DOCKER


def test_images_are_got_by_tag_by_digest_and_missing_ones_are_failures(ecr: Ecr) -> None:
    manifest = ecr.manifest()
    pushed = ecr.put("v1", manifest)
    wanted = [{"imageTag": "v1"}, {"imageDigest": pushed}, {"imageTag": "none"}]
    answer = ecr.batch_get_image(imageIds=wanted)
    assert [image["imageManifest"] for image in answer["images"]] == [manifest, manifest]
    assert answer["images"][0]["imageId"] == {"imageDigest": pushed, "imageTag": "v1"}
    assert answer["failures"][0]["failureCode"] == "ImageNotFound"
    assert ecr.code("describe_images", imageIds=[{"imageTag": "none"}]) == "ImageNotFoundException"


def test_putting_the_same_image_twice_and_moving_a_tag_are_errors_of_their_own(ecr: Ecr) -> None:
    manifest = ecr.manifest()
    ecr.put("v1", manifest)
    assert ecr.code("put_image", imageManifest=manifest, imageTag="v1") == "ImageAlreadyExistsException"
    other = ecr.manifest(b"other bytes")
    assert ecr.code("put_image", imageManifest=other, imageTag="v1") == "ImageTagAlreadyExistsException"
    assert ecr.put("v2", manifest) == digest(manifest.encode())


def test_a_manifest_of_layers_that_are_not_there_is_refused(ecr: Ecr) -> None:
    manifest = json.dumps({"config": {"digest": "sha256:" + "0" * 64, "size": 1}, "layers": [], "mediaType": DOCKER})
    assert ecr.code("put_image", imageManifest=manifest, imageTag="v1") == "LayersNotFoundException"
    assert ecr.code("put_image", imageManifest="{", imageTag="v1") == "InvalidParameterException"


def test_images_are_listed_by_tag_status_in_pages(ecr: Ecr) -> None:
    manifest = ecr.manifest()
    ecr.put("v1", manifest)
    ecr.put("v2", manifest)
    untagged = ecr.put_image(imageManifest=ecr.manifest(b"no tag"))["image"]["imageId"]["imageDigest"]
    assert {i.get("imageTag") for i in ecr.list_images()["imageIds"]} == {"v1", "v2", None}
    listed = ecr.list_images(filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert listed == [{"imageDigest": untagged}]
    page = ecr.list_images(maxResults=2)
    assert len(page["imageIds"]) == 2
    assert len(ecr.list_images(maxResults=2, nextToken=page["nextToken"])["imageIds"]) == 1
    assert len(ecr.describe_images(filter={"tagStatus": "TAGGED"})["imageDetails"]) == 1


@pytest.mark.contract
def test_deleting_the_last_tag_deletes_the_image(ecr: Ecr) -> None:
    manifest = ecr.manifest()
    pushed = ecr.put("v1", manifest)
    ecr.put("v2", manifest)
    ecr.batch_delete_image(imageIds=[{"imageTag": "v1"}])
    assert ecr.describe_images()["imageDetails"][0]["imageTags"] == ["v2"]
    gone = ecr.batch_delete_image(imageIds=[{"imageTag": "v2"}, {"imageTag": "v3"}])
    assert gone["imageIds"] == [{"imageDigest": pushed, "imageTag": "v2"}]
    assert gone["failures"][0]["failureCode"] == "ImageNotFound"
    assert ecr.describe_images()["imageDetails"] == []


def test_layers_are_checked_and_downloaded_by_a_link(ecr: Ecr) -> None:
    blob = ecr.layer(b"some layer bytes")
    answer = ecr.batch_check_layer_availability(layerDigests=[blob, "sha256:" + "0" * 64])
    assert answer["layers"][0]["layerSize"] == 16
    assert answer["failures"][0]["failureCode"] == "MissingLayerDigest"
    link = ecr.get_download_url_for_layer(layerDigest=blob)["downloadUrl"]
    assert urllib3.request("GET", link).data == b"some layer bytes"
    assert urllib3.request("GET", link[:-4] + "0000").status == 403
    assert ecr.code("get_download_url_for_layer", layerDigest="sha256:" + "0" * 64) == "LayersNotFoundException"


def test_layer_parts_must_follow_each_other_and_match_their_digest(ecr: Ecr) -> None:
    upload = ecr.initiate_layer_upload()["uploadId"]
    part = {"uploadId": upload, "partFirstByte": 5, "partLastByte": 6, "layerPartBlob": b"xx"}
    assert ecr.code("upload_layer_part", **part) == "InvalidLayerPartException"
    assert ecr.code("complete_layer_upload", uploadId=upload, layerDigests=["sha256:" + "0" * 64]) == (
        "EmptyUploadException"
    )
    ecr.upload_layer_part(uploadId=upload, partFirstByte=0, partLastByte=1, layerPartBlob=b"xx")
    assert ecr.code("complete_layer_upload", uploadId=upload, layerDigests=["sha256:" + "0" * 64]) == (
        "InvalidLayerException"
    )
    missing = {**part, "uploadId": "none"}
    assert ecr.code("upload_layer_part", **missing) == "UploadNotFoundException"


def test_a_pushed_image_is_scanned_and_clean(ecr: Ecr) -> None:
    pushed = ecr.put("v1")
    found = ecr.describe_image_scan_findings(imageId={"imageDigest": pushed})
    assert found["imageScanStatus"]["status"] == "COMPLETE"
    assert found["imageScanFindings"]["findingSeverityCounts"] == {}
    detail = ecr.describe_images()["imageDetails"][0]
    assert detail["imageScanStatus"]["status"] == "COMPLETE"


def test_an_image_may_carry_the_findings_that_a_test_needs(ecr: Ecr) -> None:
    manifest = ecr.manifest(**{"dev.stepladder.local.findings": '{"CRITICAL": 1, "LOW": 2}'})
    ecr.put("v1", manifest)
    found = ecr.describe_image_scan_findings(imageId={"imageTag": "v1"})["imageScanFindings"]
    assert found["findingSeverityCounts"] == {"CRITICAL": 1, "LOW": 2}
    assert len(found["findings"]) == 3


def test_without_scan_on_push_there_is_no_scan_until_one_is_asked_for(cloud: Any) -> None:
    plain = Ecr(cloud.client("ecr"), f"r{uuid.uuid4().hex[:8]}")
    plain.create_repository()
    pushed = plain.put("v1")
    assert plain.code("describe_image_scan_findings", imageId={"imageDigest": pushed}) == "ScanNotFoundException"
    plain.start_image_scan(imageId={"imageDigest": pushed})
    assert plain.describe_image_scan_findings(imageId={"imageDigest": pushed})["imageScanFindings"]["findings"] == []


def test_a_repository_with_images_goes_only_by_force_and_comes_back_empty(cloud: Any) -> None:
    one = Ecr(cloud.client("ecr"), f"r{uuid.uuid4().hex[:8]}")
    one.create_repository()
    one.put("v1")
    assert one.code("delete_repository") == "RepositoryNotEmptyException"
    one.delete_repository(force=True)
    for action in ("list_images", "describe_images"):
        assert one.code(action) == "RepositoryNotFoundException"
    one.create_repository()
    assert one.list_images()["imageIds"] == []


def test_a_lifecycle_policy_is_kept(ecr: Ecr) -> None:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    ecr.put_lifecycle_policy(lifecyclePolicyText=json.dumps({"rules": [rule]}))
    assert "imageCountMoreThan" in ecr.get_lifecycle_policy()["lifecyclePolicyText"]
