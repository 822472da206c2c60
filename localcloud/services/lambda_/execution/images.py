"""How the launchers get at images: straight from the store behind the cloud's registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.services.ecr.service import credentials
from localcloud.services.ecr.store import store_of

if TYPE_CHECKING:
    from localcloud.cloud import Cloud
    from localcloud.launchers.interface import ImageCode


class ImageReader:
    """Reads images by digest, of any account and region."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._store = store_of(cloud)

    def manifest(self, repository: str, digest: str) -> dict[str, Any]:
        """Return an image manifest, parsed. Raises `KeyError` when there is none."""
        return self._store.manifest(repository, digest)

    def blob(self, repository: str, digest: str) -> Path:
        """Return the file that holds a blob. Raises `KeyError` when there is none."""
        return self._store.blob(repository, digest)

    def login(self, code: ImageCode) -> dict[str, str]:
        """Return user and password for an engine that pulls: of the account and region that hold the image."""
        key = self._store.where(code.repository, code.digest)
        return credentials(self._cloud, key.account, key.region)
