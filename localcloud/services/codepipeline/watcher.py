"""Start pipelines when their branch has a new commit, as a forge's notification does on AWS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud import repositories
from localcloud.deliveries import logged
from localcloud.repositories import RepositoryError
from localcloud.services.codepipeline.model import Pipeline

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_POLL = 0.5  # real seconds: people push in real time
Start = Callable[[Pipeline, str, str], None]


class BranchWatcher:
    """Polls the branches of all pipelines. `start` gets a pipeline, its source action and the new commit."""

    def __init__(self, cloud: Cloud, pipelines: Callable[[], Iterable[Pipeline]], start: Start) -> None:
        self._cloud = cloud
        self._pipelines = pipelines
        self._start = start

    def run(self) -> None:
        """Poll in the background until the cloud ends."""
        threading.Thread(target=self._loop, daemon=True, name="branches").start()

    def see(self, pipeline: Pipeline) -> None:
        """Take the branches as they are now: what was pushed before starts nothing."""
        pipeline.heads = {name: commit for name, _, commit in self._heads(pipeline)}

    def _loop(self) -> None:
        while not self._cloud.stopping.wait(_POLL):
            for pipeline in self._pipelines():
                with logged():
                    self._poll(pipeline)

    def _poll(self, pipeline: Pipeline) -> None:
        for name, given, commit in self._heads(pipeline):
            begun = self._cloud.repositories.begun.get((given["ConnectionArn"], given["FullRepositoryId"]), {})
            old = pipeline.heads.get(name, begun.get(given["BranchName"], ""))
            if commit in ("", old):
                continue
            pipeline.heads[name] = commit
            if self._is_wanted(pipeline, name, given, old, commit):
                self._start(pipeline, name, commit)

    def _heads(self, pipeline: Pipeline) -> Iterator[tuple[str, Mapping[str, str], str]]:
        """Yield each source action that detects changes, with the commit of its branch, which may not be there yet."""
        for action in pipeline.declaration["stages"][0]["actions"]:
            given = action["configuration"]
            if str(given.get("DetectChanges", "true")).lower() == "false":
                continue
            folder = self._cloud.repositories.folders.get((given["ConnectionArn"], given["FullRepositoryId"]))
            if folder:
                yield str(action["name"]), given, repositories.head(Path(folder), given["BranchName"])

    def _is_wanted(self, pipeline: Pipeline, name: str, given: Mapping[str, str], old: str, new: str) -> bool:
        """Say whether a push passes the pipeline's triggers. Without any, every push does."""
        git = [each["gitConfiguration"] for each in pipeline.declaration.get("triggers") or ()]
        filters = [push for each in git if each["sourceActionName"] == name for push in each.get("push") or ()]
        if not any(each["sourceActionName"] == name for each in git) or not filters:
            return True
        return any(self._passes(push, given, old, new) for push in filters)

    def _passes(self, push: Mapping[str, Any], given: Mapping[str, str], old: str, new: str) -> bool:
        if not _is_included(push.get("branches") or {}, [given["BranchName"]]):
            return False
        if not push.get("filePaths"):
            return True
        try:
            folder = self._cloud.repositories.folder(given["ConnectionArn"], given["FullRepositoryId"])
            changed = repositories.changed_paths(folder, old, new)
        except RepositoryError:
            return True  # the old commit is gone: as on AWS, where a forge names no files the pipeline starts
        return _is_included(push["filePaths"], changed)


def _is_included(patterns: Mapping[str, Any], names: Iterable[str]) -> bool:
    includes, excludes = patterns.get("includes") or ["**"], patterns.get("excludes") or ()
    return any(
        any(fnmatchcase(name, each) for each in includes) and not any(fnmatchcase(name, each) for each in excludes)
        for name in names
    )
