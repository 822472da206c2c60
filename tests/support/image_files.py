"""The files that an image adds to its base, out of its layers: whoever built it."""

import hashlib
import io
import json
import posixpath
import tarfile


def engine_images(client, base, names):
    """Return name -> (files above the base, config) of images in an engine, and the base's own files.

    All come in one stream, in which each layer stands once.
    """
    url = client.api._url("/images/get")
    answer = client.api._get(url, params={"names": [base, *names]}, stream=True)
    data = io.BytesIO(b"".join(client.api._stream_raw_result(answer, 2**20, False)))
    with tarfile.open(fileobj=data) as tar:
        by_tag = {}
        for image in json.load(tar.extractfile("manifest.json")):
            config = json.load(tar.extractfile(image["Config"]))
            by_tag[(image["RepoTags"] or [""])[0]] = (image["Layers"], config)
        bottom = by_tag[base][0]
        below = listing(tar.extractfile(layer) for layer in bottom)
        images = {
            name: (
                listing((tar.extractfile(layer) for layer in by_tag[name][0][len(bottom) :]), below),
                by_tag[name][1],
            )
            for name in names
        }
        return images, (below, by_tag[base][1])


def as_layer(files):
    """Return a layer that holds files of these names, modes and owners, and no content."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for path, (kind, mode, owner, link) in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.type = {"folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}.get(kind, tarfile.REGTYPE)
            info.mode, (info.uid, info.gid), info.linkname = (
                int(mode or "0o777", 8),
                owner,
                link if kind == "link" else "",
            )
            tar.addfile(info)
    return data.getvalue()


def listing(layers, below=None):
    """Return path -> what lies there after all layers; None for what they take away of the files below."""
    files = {}
    for layer in layers:
        with tarfile.open(fileobj=layer, mode="r|*") as tar:
            for member in tar:
                path = posixpath.normpath(f"/{member.name}").lstrip("/")
                folder, _, name = path.rpartition("/")
                if name == ".wh..wh..opq":  # all that layers below have in the folder is gone
                    files = {p: f for p, f in files.items() if not p.startswith(f"{folder}/")}
                elif name.startswith(".wh."):
                    gone = f"{folder}/{name.removeprefix('.wh.')}".lstrip("/")
                    files = {p: f for p, f in files.items() if p != gone and not p.startswith(f"{gone}/")}
                    if below and gone in below:
                        files[gone] = None
                elif path:
                    files[path] = described(tar, member, files)
    same = below or {}
    return {path: file for path, file in files.items() if file is None or same.get(path) != file}


def described(tar, member, files):
    """Return kind, mode, owner, and the content's digest or where a link leads."""
    owner = (member.uid, member.gid)
    if member.isdir():
        return ("folder", oct(member.mode & 0o7777), owner, "")
    if member.issym():
        return ("link", "", owner, member.linkname)
    if member.islnk():
        return files[posixpath.normpath(f"/{member.linkname}").lstrip("/")]
    content = tar.extractfile(member)
    digest = hashlib.sha256(content.read()).hexdigest()[:16] if content else "device"
    return ("file", oct(member.mode & 0o7777), owner, digest)
