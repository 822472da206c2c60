"""A third builder, made up: this file, and one line of registration, are all of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from stepladder.core.image_facts import LABEL_BUILDER, OCI_CONFIG
from stepladder.images import key as keys
from stepladder.images.layers import base_choice, build
from stepladder.images.model import Blob, canonical, digest_of
from stepladder.images.registry.push import push

NAME = "stone"


class StoneBuilder:
    """Makes what the layers builder makes, and signs it; its input key has an input of its own."""

    builds_from_source = True
    builds_apart = False

    def input_key(self, settings: Any) -> str:
        return hashlib.sha256(f"{NAME} {keys.input_key(settings)}".encode()).hexdigest()

    def require(self, job: Any) -> None:
        pass

    def begin(self, job: Any) -> None:
        pass

    def accepts(self, job: Any) -> bool:
        return True

    def build(self, job: Any) -> Any:
        plain = build.build(job.settings, base_choice.base(job), key=job.key, commit=job.revision.commit)
        config, manifest = json.loads(plain.config.local()), json.loads(plain.manifest)
        config["config"]["Labels"][LABEL_BUILDER] = NAME
        data = canonical(config)
        blob = Blob(digest_of(data), len(data), OCI_CONFIG, data=data)
        return replace(plain, manifest=canonical(manifest | {"config": blob.descriptor()}), config=blob, builder=NAME)

    def again(self, job: Any, image: Any) -> Any:
        return None

    def publish(self, job: Any, built: Any, tag: str) -> bool:
        push(job.target.registry, job.target.name, tag, built, lambda _sent: None)
        return True


BUILDER = StoneBuilder()
