"""`inv serve`: the function on this machine, behind a URL."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import ONE_FUNCTION, task


@task(
    help={
        "env": "Environment whose variables the function gets; any but the lowest rung must be confirmed.",
        "function": ONE_FUNCTION,
        "port": "Port on loopback to listen on; 0 takes any free one.",
        "debug_port": "Port on loopback at which the function waits for a debugger (debugpy); 0 for none.",
        "yes": "Take another environment than the lowest rung without a question.",
    },
    auto_shortflags=False,
)
def serve(c: Any, env: str = "", port: int = 8000, debug_port: int = 0, yes: bool = False, function: str = "") -> None:
    """Run the function behind a local URL, and build it again whenever a file changes; deploy nothing."""
    from stepladder.commands import serve as serving
    from stepladder.core.console import Console
    from stepladder.releases.rung import one_function
    from stepladder.settings.load import from_context

    settings = one_function(from_context(c), function)
    serving.serve(settings, serving.ServeOptions(env, port, debug_port, yes), Console())
