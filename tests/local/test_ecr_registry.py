"""The registry behind /v2/: what the distribution specification and ECR ask of it, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from iam_callers import Iam

from localcloud.faults import Faults

pytestmark = pytest.mark.cloud
OCI = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Repository:
    """One repository, spoken to as Docker does."""

    def __init__(self, cloud: Any, name: str, account: str = "", region: str = "") -> None:
        self.cloud, self.name = cloud, name
        self.ecr = cloud.client("ecr", account=account or cloud.account, region=region or cloud.region)
        self.http = urllib3.PoolManager(retries=False)
        token = self.ecr.get_authorization_token()["authorizationData"][0]
        self.endpoint = token["proxyEndpoint"]
        self.headers = {"Authorization": f"Basic {token['authorizationToken']}"}

    def create(self, **options: Any) -> Repository:
        self.ecr.create_repository(repositoryName=self.name, **options)
        return self

    def send(self, verb: str, path: str, body: Any = None, **headers: str) -> Any:
        url = path if path.startswith("http") else f"{self.endpoint}{path}"
        sent = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.http.request(verb, url, body=body, headers=sent, redirect=False)

    def path(self, rest: str) -> str:
        return f"/v2/{self.name}/{rest}"

    def push_blob(self, data: bytes) -> str:
        location = self.send("POST", self.path("blobs/uploads/")).headers["location"]
        done = self.send("PUT", f"{location}?digest={digest(data)}", data)
        assert done.status == 201
        assert done.headers["docker-content-digest"] == digest(data)
        return digest(data)

    def manifest(self, layer: bytes = b"layer", **extra: Any) -> bytes:
        config = json.dumps({"architecture": "amd64", **extra}).encode()
        parts = [
            {"mediaType": kind, "digest": self.push_blob(data), "size": len(data)}
            for kind, data in ((CONFIG, config), (LAYER, layer))
        ]
        document = {"schemaVersion": 2, "mediaType": OCI, "config": parts[0], "layers": parts[1:]}
        return json.dumps(document).encode()

    def put(self, reference: str, data: bytes, media_type: str = OCI) -> Any:
        return self.send("PUT", self.path(f"manifests/{reference}"), data, Content_Type=media_type)

    def code(self, answer: Any) -> tuple[int, str]:
        return answer.status, json.loads(answer.data)["errors"][0]["code"]


@pytest.fixture
def repository(cloud: Any) -> Iterator[Repository]:
    made = Repository(cloud, f"team/r{uuid.uuid4().hex[:8]}").create()
    yield made
    made.ecr.delete_repository(repositoryName=made.name, force=True)
    made.http.clear()


def test_the_registry_asks_for_ecrs_token(cloud: Any, repository: Repository) -> None:
    assert repository.send("GET", "/v2/").status == 200
    for wrong in ("", "Basic " + base64.b64encode(b"AWS:nonsense.x").decode(), "Bearer x"):
        answer = repository.send("GET", "/v2/", Authorization=wrong)
        assert repository.code(answer) == (401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"].startswith("Basic realm=")


def test_the_token_is_for_docker_login_and_names_where_to_push(repository: Repository) -> None:
    token = repository.ecr.get_authorization_token()["authorizationData"][0]
    assert base64.b64decode(token["authorizationToken"]).startswith(b"AWS:")
    assert token["proxyEndpoint"] == repository.cloud.url.rstrip("/")
    assert token["expiresAt"]


def test_a_token_opens_the_repositories_of_its_account_and_region_only(cloud: Any, repository: Repository) -> None:
    repository.put("v1", repository.manifest())
    for other in (
        Repository(cloud, repository.name, account="222222222222"),
        Repository(cloud, repository.name, region="eu-west-1"),
    ):
        answer = other.send("GET", other.path("manifests/v1"))
        assert other.code(answer) == (404, "NAME_UNKNOWN")


def test_a_blob_is_sent_in_chunks_as_docker_sends_it(repository: Repository) -> None:
    location = repository.send("POST", repository.path("blobs/uploads/")).headers["location"]
    first = repository.send("PATCH", location, iter([b"abc", b"def"]), Transfer_Encoding="chunked")
    assert (first.status, first.headers["range"]) == (202, "0-5")
    second = repository.send("PATCH", first.headers["location"], b"ghi", Content_Range="6-8")
    assert second.headers["range"] == "0-8"
    done = repository.send("PUT", f"{second.headers['location']}?digest={digest(b'abcdefghi')}")
    assert done.status == 201
    got = repository.send("GET", repository.path(f"blobs/{digest(b'abcdefghi')}"))
    assert got.data == b"abcdefghi"


def test_a_chunk_out_of_order_is_refused_with_what_has_arrived(repository: Repository) -> None:
    location = repository.send("POST", repository.path("blobs/uploads/")).headers["location"]
    repository.send("PATCH", location, b"abc")
    answer = repository.send("PATCH", location, b"xyz", Content_Range="7-9")
    assert (answer.status, answer.headers["range"]) == (416, "0-2")
    status = repository.send("GET", location)
    assert (status.status, status.headers["range"]) == (204, "0-2")


def test_an_upload_in_one_request_works(repository: Repository) -> None:
    answer = repository.send("POST", repository.path(f"blobs/uploads/?digest={digest(b'one')}"), b"one")
    assert answer.status == 201


def test_bytes_that_do_not_have_their_digest_are_refused(repository: Repository) -> None:
    location = repository.send("POST", repository.path("blobs/uploads/")).headers["location"]
    answer = repository.send("PUT", f"{location}?digest={digest(b'other')}", b"bytes")
    assert repository.code(answer) == (400, "DIGEST_INVALID")
    assert repository.send("HEAD", repository.path(f"blobs/{digest(b'bytes')}")).status == 404


def test_a_cancelled_upload_is_gone(repository: Repository) -> None:
    location = repository.send("POST", repository.path("blobs/uploads/")).headers["location"]
    assert repository.send("DELETE", location).status == 204
    assert repository.code(repository.send("PATCH", location, b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_range_of_a_blob_is_served(repository: Repository) -> None:
    path = repository.path(f"blobs/{repository.push_blob(b'0123456789')}")
    answer = repository.send("GET", path, Range="bytes=4-6")
    assert (answer.status, answer.data, answer.headers["content-range"]) == (206, b"456", "bytes 4-6/10")
    assert repository.send("GET", path, Range="bytes=7-").data == b"789"
    assert repository.send("GET", path, Range="bytes=10-").status == 416
    head = repository.send("HEAD", path)
    assert (head.status, head.headers["content-length"]) == (200, "10")


def test_blobs_belong_to_their_repository_and_are_mounted_only_where_the_account_allows_it(
    cloud: Any, repository: Repository
) -> None:
    account = "333333333333"
    source = Repository(cloud, "source", account=account).create()
    target = Repository(cloud, "target", account=account).create()
    blob = source.push_blob(b"shared")
    assert target.send("HEAD", target.path(f"blobs/{blob}")).status == 404
    mount = target.path(f"blobs/uploads/?mount={blob}&from=source")
    assert target.send("POST", mount).status == 202
    target.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    assert target.ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "ENABLED"
    assert target.send("POST", mount).status == 201
    assert target.send("HEAD", target.path(f"blobs/{blob}")).status == 200


def test_a_manifest_is_served_by_tag_and_by_digest(repository: Repository) -> None:
    data = repository.manifest()
    put = repository.put("v1", data)
    assert (put.status, put.headers["docker-content-digest"]) == (201, digest(data))
    for reference in ("v1", digest(data)):
        got = repository.send("GET", repository.path(f"manifests/{reference}"))
        assert (got.status, got.data, got.headers["content-type"]) == (200, data, OCI)
        head = repository.send("HEAD", repository.path(f"manifests/{reference}"))
        assert (head.headers["docker-content-digest"], head.headers["content-length"]) == (digest(data), str(len(data)))
    assert repository.code(repository.send("GET", repository.path("manifests/v2"))) == (404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize(
    ("reference", "data", "code"),
    [
        ("v1", b"{", "MANIFEST_INVALID"),
        ("v1", b'{"schemaVersion": 2}', "MANIFEST_INVALID"),
        ("sha256:" + "0" * 64, b"{}", "DIGEST_INVALID"),
        ("-bad", b"{}", "TAG_INVALID"),
        (
            "v1",
            json.dumps({"config": {"digest": "sha256:" + "1" * 64, "size": 1}, "layers": []}).encode(),
            "MANIFEST_BLOB_UNKNOWN",
        ),
        ("v1", json.dumps({"manifests": [{"digest": "sha256:" + "1" * 64}]}).encode(), "MANIFEST_BLOB_UNKNOWN"),
    ],
    ids=["no JSON", "neither image nor index", "another digest", "no tag", "missing blob", "missing child"],
)
def test_a_manifest_that_cannot_hold_is_refused(repository: Repository, reference: str, data: bytes, code: str) -> None:
    assert repository.code(repository.put(reference, data)) == (400, code)


def test_an_index_of_images_is_taken(repository: Repository) -> None:
    data = repository.manifest()
    repository.put(digest(data), data)
    media_type = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": [{"digest": digest(data), "size": len(data)}]}
    assert repository.put("multi", json.dumps(index).encode(), media_type).status == 201


@pytest.mark.contract
def test_an_immutable_tag_stays_and_a_mutable_one_moves(cloud: Any, repository: Repository) -> None:
    first, second = repository.manifest(), repository.manifest(b"another layer")
    assert repository.put("v1", first).status == 201
    assert repository.put("v1", second).status == 201
    repository.ecr.put_image_tag_mutability(repositoryName=repository.name, imageTagMutability="IMMUTABLE")
    answer = repository.put("v1", first)
    assert repository.code(answer) == (400, "TAG_INVALID")
    assert b"cannot be overwritten because the repository is immutable" in answer.data
    assert repository.put("v2", first).status == 201
    repository.ecr.put_image_tag_mutability(
        repositoryName=repository.name,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "cache-*"}],
    )
    repository.put("cache-1", first)
    assert repository.put("cache-1", second).status == 201
    assert repository.put("v2", second).status == 400


def test_tags_are_listed_in_pages(repository: Repository) -> None:
    data = repository.manifest()
    for tag in ("c", "a", "b"):
        repository.put(tag, data)
    page = repository.send("GET", repository.path("tags/list?n=2"))
    assert json.loads(page.data)["tags"] == ["a", "b"]
    following = page.headers["link"].split(">")[0].lstrip("<")
    assert json.loads(repository.send("GET", following).data)["tags"] == ["c"]


def test_what_refers_to_an_image_is_listed_by_the_registry_and_by_ecr(repository: Repository) -> None:
    subject = repository.manifest()
    repository.put("v1", subject)
    document = json.loads(repository.manifest(b"sbom"))
    document |= {"artifactType": "application/spdx+json", "subject": {"digest": digest(subject), "size": 1}}
    data = json.dumps(document | {"annotations": {"a": "b"}}).encode()
    assert repository.put(digest(data), data).headers["oci-subject"] == digest(subject)
    expected = {
        "mediaType": OCI,
        "digest": digest(data),
        "size": len(data),
        "artifactType": "application/spdx+json",
        "annotations": {"a": "b"},
    }
    answer = repository.send("GET", repository.path(f"referrers/{digest(subject)}"))
    assert json.loads(answer.data)["manifests"] == [expected]
    none = repository.send("GET", repository.path(f"referrers/{digest(subject)}?artifactType=other"))
    assert (json.loads(none.data)["manifests"], none.headers["oci-filters-applied"]) == ([], "artifactType")

    asked = {"repositoryName": repository.name, "subjectId": {"imageDigest": digest(subject)}}
    assert repository.ecr.list_image_referrers(**asked)["referrers"] == [{**expected, "artifactStatus": "ACTIVE"}]
    assert repository.ecr.list_image_referrers(**asked, filter={"artifactTypes": ["other"]})["referrers"] == []
    details = repository.ecr.describe_images(repositoryName=repository.name)["imageDetails"]
    assert {each["imageDigest"]: each.get("subjectManifestDigest") for each in details} == {
        digest(subject): None,
        digest(data): digest(subject),
    }


def test_an_image_is_deleted_by_its_digest_and_not_by_a_tag(repository: Repository) -> None:
    data = repository.manifest()
    repository.put("v1", data)
    assert repository.code(repository.send("DELETE", repository.path("manifests/v1"))) == (405, "UNSUPPORTED")
    assert repository.send("DELETE", repository.path(f"manifests/{digest(data)}")).status == 202
    gone = repository.send("DELETE", repository.path(f"manifests/{digest(data)}"))
    assert repository.code(gone) == (404, "MANIFEST_UNKNOWN")


def test_a_token_opens_what_the_policies_of_its_holder_allow(cloud: Any, repository: Repository) -> None:
    subject = repository.manifest()
    repository.put("v1", subject)
    iam = Iam(cloud)
    allowed = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    where = f"arn:aws:ecr:{cloud.region}:{cloud.account}:repository/{repository.name}"
    statements = [
        {"Effect": "Allow", "Action": allowed, "Resource": where},
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
    ]
    reader = iam.of(iam.session(iam.role(*statements)), "ecr")
    token = reader.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    own = repository.headers
    repository.headers = {"Authorization": f"Basic {token}"}
    try:
        assert repository.send("GET", repository.path("manifests/v1")).status == 200
        assert repository.send("GET", repository.path(f"referrers/{digest(subject)}")).status == 200
        refused = repository.put("v2", subject)
        assert repository.code(refused) == (403, "DENIED")
        message = json.loads(refused.data)["errors"][0]["message"]
        assert f"not authorized to perform: ecr:PutImage on resource: {where}" in message
        for verb, path in (
            ("POST", "blobs/uploads/"),
            ("DELETE", f"manifests/{digest(subject)}"),
            ("GET", "tags/list"),
        ):
            assert repository.code(repository.send(verb, repository.path(path))) == (403, "DENIED")
    finally:
        repository.headers = own


def test_a_fault_of_the_registry_hits_its_own_requests_only(cloud: Any, repository: Repository) -> None:
    manifest = repository.manifest()
    rules = [
        {"service": "registry", "action": "PUT", "body": "/manifests/", "kind": "error"},
        {"service": "registry", "action": "PUT", "body": "/manifests/", "kind": "throttle"},
        {"service": "registry", "action": "POST", "body": "/blobs/uploads/", "kind": "error", "status": 503},
    ]
    cloud.faults(*rules, {"service": "*", "kind": "error", "but": "CreateRepository,DeleteRepository"})
    assert repository.send("POST", repository.path("blobs/uploads/")).status == 503
    answers = [repository.put("tag", manifest) for _ in range(3)]
    assert [answer.status for answer in answers] == [500, 429, 201]
    assert repository.code(answers[1]) == (429, "TOOMANYREQUESTS")
    cloud.faults()
    with pytest.raises(ValueError, match="a fault of the registry is one of"):
        Faults().add({"service": "registry", "kind": "crash"})


def test_the_cloud_counts_the_bytes_of_layers_that_are_sent(repository: Repository) -> None:
    info = repository.cloud.info
    info.request("calls", "DELETE")
    assert info.request("calls")["registry_bytes"] == 0
    repository.push_blob(b"x" * 12_345)
    assert info.request("calls")["registry_bytes"] == 12_345
