"""`inv open`: the addresses of what a project has in the AWS console. A local cloud has no console."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial

from stepladder.core import aws, console_links
from stepladder.core.aws import known_error
from stepladder.core.ci import in_ci
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError
from stepladder.core.similar import did_you_mean
from stepladder.core.terminal import is_watched
from stepladder.promotion.executions import StateMachine
from stepladder.releases import restore
from stepladder.releases.rung import Rung

Open = Callable[[str], object]
_NEWEST = 50
"""Releases that are searched for the newest deployment of CodeDeploy."""


@dataclass(frozen=True)
class ConsoleLink:
    """One page: what it is of, its address, and the account to sign in to."""

    what: str
    url: str
    environment: str
    account: str
    region: str


Links = list[ConsoleLink] | ConsoleLink


def show(rung: Rung, what: str = "", *, open_page: Open | None = None) -> list[ConsoleLink]:
    """Print the address of a page and open it where a person can see it; print all of them when `what` is empty."""
    console, pages = rung.console, _pages(rung)
    if what and what not in pages:
        hint = f"{did_you_mean(what, pages)} pages: {', '.join(pages)}".strip()
        raise BadInputError(f"there is no page {what!r}", kind="bad-arguments", hint=hint)
    _check_console(rung)
    if not what:
        return _list(rung, pages)
    link = _link(rung, what, pages[what]())
    if console.as_json:
        console.json(asdict(link))
        return [link]
    console.data(link.url)
    if open_page or can_open():
        opened = (open_page or _open)(link.url)
        words = "no browser could be started" if opened is False else "opened"
        console.line(f"{words}; it is in the account {link.account}")
    return [link]


def can_open() -> bool:
    """Say whether a browser can show a page to who typed this: a terminal of a person, and a display."""
    if in_ci() or not is_watched(sys.stdout):
        return False
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _open(url: str) -> bool:
    import webbrowser

    return webbrowser.open(url)


def _pages(rung: Rung) -> Mapping[str, Callable[[], str]]:
    """Return by name what makes each page's address; some read AWS for it."""
    names = rung.names
    return {
        "function": partial(console_links.function, names),
        "alias": partial(console_links.alias, names),
        "logs": partial(console_links.logs, names),
        "alarms": partial(console_links.alarms, names),
        "image": partial(_image, rung),
        "deployment": partial(_deployment, rung),
        "promotion": partial(_promotion, rung),
        "state-machine": partial(_state_machine, rung),
        "ledger": partial(console_links.ledger, names),
        "url": partial(_url, rung),
    }


def _check_console(rung: Rung) -> None:
    """Refuse where there is no console: on a local cloud, and in a partition whose console has no public address."""
    if aws.endpoint():
        raise NotReadyError(
            f"a local cloud has no console{_url_words(rung)}",
            kind="no-console",
            hint=f"the function's lines: `inv logs {rung.flags}`; what it serves: `inv status`",
        )
    if not console_links.has_console(rung.names):
        raise NotReadyError(
            f"the address of the console of {rung.names.partition} is not public",
            kind="no-console",
            hint=f"the function's lines: `inv logs {rung.flags}`; what it serves: `inv status`",
        )


def _url_words(rung: Rung) -> str:
    """Say at which URL the function answers, where that is known."""
    from stepladder.aws_lambda import function_url

    try:
        infra = rung.ledger.snapshot(rung.target).infra
    except Exception as error:
        if known_error(error) is None:
            raise
        return ""
    return f"; the function answers at {function_url.shown(infra.url)}" if infra and infra.url else ""


def _list(rung: Rung, pages: Mapping[str, Callable[[], str]]) -> list[ConsoleLink]:
    """Print every page that there is; of what can't be read, say why."""
    links, unread = [], {}
    for what, page in pages.items():
        try:
            links.append(_link(rung, what, page()))
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            unread[what] = known.message
    console = rung.console
    if console.as_json:
        console.json([asdict(link) for link in links])
        return links
    width = max(map(len, pages))
    for link in links:  # whole on any terminal: an address is there to be copied
        console.data(f"{link.what:<{width}}  {link.url}")
    for what, why in unread.items():
        console.line(f"no {what}: {why}")
    console.line(f"{rung.target} is in the account {rung.names.account}, {rung.names.region}")
    return links


def _link(rung: Rung, what: str, url: str) -> ConsoleLink:
    names = rung.names
    if what in {"promotion", "state-machine"}:
        names = _primary(rung).names
    return ConsoleLink(what, url, names.environment, names.account, names.region)


def _primary(rung: Rung) -> Rung:
    """Return a rung of the location whose state machine promotes."""
    from stepladder.settings import locations

    return rung.sibling(locations.representatives(rung.settings)[0])


def _state_machine(rung: Rung) -> str:
    return console_links.state_machine(_primary(rung).names)


def _promotion(rung: Rung) -> str:
    machine = StateMachine(_primary(rung))
    return machine.link(machine.pick("").arn)


def _image(rung: Rung) -> str:
    current = rung.ledger.snapshot(rung.target).current
    if current is None:
        raise restore.nothing_live(rung)
    return console_links.image(rung.names, current.digest)


def _deployment(rung: Rung) -> str:
    """Return the deployment under way, or else the newest that the ledger knows."""
    active = rung.active_deployment()
    entries = (
        []
        if active or not rung.ledger.snapshot(rung.target).exists
        else rung.ledger.history(rung.target, limit=_NEWEST)
    )
    deployment = active or next((entry.deployment_id for entry in entries if entry.deployment_id), "")
    if not deployment:
        raise RefusedError(
            f"{rung.target} had no deployment of CodeDeploy yet",
            kind="nothing-live",
            hint="a promotion makes one: `inv promote`",
        )
    return console_links.deployment(rung.names, deployment)


def _url(rung: Rung) -> str:
    infra = rung.ledger.snapshot(rung.target).infra
    if infra is None or not infra.url:
        raise RefusedError(
            f"{rung.target} has no URL that the ledger knows",
            kind="nothing-live",
            hint=f"a deployment notes it: `inv deploy {rung.flags}`",
        )
    return infra.url
