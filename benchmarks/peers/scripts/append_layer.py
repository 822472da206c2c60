"""The floor without an engine: append one layer to the base's manifest in the registry, then the bare calls.

    python append_layer.py FUNCTION REPOSITORY FILE

`REPOSITORY` is an address in the registry, which has the base under the tag `base`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import urllib.request

import boto3

from release import release

function, repository, file = sys.argv[1:]
host, name = repository.split("/", 1)
token = boto3.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]


def ask(method: str, path: str, data: bytes | None = None, **headers: str) -> tuple[bytes, str]:
    """Return the body, and where the answer points to."""
    url = path if path.startswith("http") else f"http://{host}{path}"
    given = {"Authorization": f"Basic {token}", **{key.replace("_", "-"): value for key, value in headers.items()}}
    with urllib.request.urlopen(urllib.request.Request(url, data, given, method=method)) as answer:  # noqa: S310
        return answer.read(), answer.headers.get("Location", "")


def push(data: bytes) -> str:
    """Push a blob; return its digest."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    _, place = ask("POST", f"/v2/{name}/blobs/uploads/", b"")
    ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", data)
    return digest


tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w") as archive:
    archive.add(file, "var/task/app.py")
layer = gzip.compress(tar.getvalue(), 6, mtime=0)

kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
manifest = json.loads(ask("GET", f"/v2/{name}/manifests/base", Accept=kinds)[0])
config = json.loads(ask("GET", f"/v2/{name}/blobs/{manifest['config']['digest']}")[0])
config["config"]["Cmd"] = ["app.handler"]
config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(tar.getvalue()).hexdigest())
config.pop("history", None)
document = json.dumps(config).encode()
kind = manifest["layers"][0]["mediaType"]
manifest["layers"].append({"mediaType": kind, "size": len(layer), "digest": push(layer)})
manifest["config"] |= {"size": len(document), "digest": push(document)}
body = json.dumps(manifest).encode()
digest = "sha256:" + hashlib.sha256(body).hexdigest()
ask("PUT", f"/v2/{name}/manifests/{digest}", body, Content_Type=manifest["mediaType"])
release(boto3.client("lambda"), function, f"{repository}@{digest}")
