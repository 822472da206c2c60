"""`inv deploy` of the functions that were named: of one, of several, of a preview with its record.

Only what the environment and the project need is imported: most deploys find nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from stepladder.commands.deploy import Deploy, DeployOptions
from stepladder.core.names import is_preview
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung
from stepladder.settings.functions import given

if TYPE_CHECKING:
    from stepladder.commands.many_report import ManyReport
    from stepladder.releases.interfaces import Images, Infrastructure


def run(
    rung: Rung,
    flags: Sequence[str],
    images: Callable[[Rung], Images],
    infra: Infrastructure,
    request: DeployOptions,
) -> DeployReport | ManyReport:
    """Deploy the functions that `--function` names, or all. A project with its own function alone has its own deploy.

    `rung` is the environment with the whole project. Raises `BadInputError` for a function that isn't there.
    """
    chosen = {given(rung.settings, flag) for flag in flags}
    every = rung.settings.function_names

    def deploy() -> DeployReport | ManyReport:
        if every == ("",):
            return Deploy(rung, images(rung), infra, request).run()
        from stepladder.commands.deploy_many import DeployMany

        return DeployMany(rung, images, infra, request, [name for name in every if not chosen or name in chosen]).run()

    if not is_preview(rung.environment):
        return deploy()
    from stepladder.commands import preview_deploy

    return preview_deploy.around(rung, deploy, dry_run=request.dry_run)
