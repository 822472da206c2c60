"""Which repository a git remote names, in each form that git takes."""

from __future__ import annotations

import pytest

from stepladder.forge.remote import Remote, parse


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("https://github.com/acme/orders.git", ("github", "github.com", "acme/orders")),
        ("https://github.com/acme/orders", ("github", "github.com", "acme/orders")),
        ("https://github.com/acme/orders/", ("github", "github.com", "acme/orders")),
        ("https://ann:ghp_secret@github.com/acme/orders.git", ("github", "github.com", "acme/orders")),
        ("git@github.com:acme/orders.git", ("github", "github.com", "acme/orders")),
        ("git@GitHub.com:Acme/Orders.git", ("github", "github.com", "Acme/Orders")),
        ("github.com:acme/orders", ("github", "github.com", "acme/orders")),
        ("ssh://git@github.com/acme/orders.git", ("github", "github.com", "acme/orders")),
        ("ssh://git@ssh.github.com:443/acme/orders.git", ("github", "github.com", "acme/orders")),
        ("git+ssh://git@github.com/acme/orders.git", ("github", "github.com", "acme/orders")),
        ("git://github.com/acme/orders.git\n", ("github", "github.com", "acme/orders")),
        ("https://github.acme.example/shop/orders.git", ("github", "github.acme.example", "shop/orders")),
        ("git@gitlab.com:acme/shop/orders.git", ("gitlab", "gitlab.com", "acme/shop/orders")),
        ("ssh://git@altssh.gitlab.com:443/acme/orders.git", ("gitlab", "gitlab.com", "acme/orders")),
        ("https://gitlab.acme.example:8443/shop/orders.git", ("gitlab", "gitlab.acme.example", "shop/orders")),
        ("https://git.acme.example/shop/orders.git", ("", "git.acme.example", "shop/orders")),
        ("https://notgithub.com/acme/orders", ("", "notgithub.com", "acme/orders")),
    ],
)
def test_a_remote_names_its_forge_and_repository(url: str, remote: tuple[str, str, str]) -> None:
    assert parse(url) == Remote(*remote)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/git/orders.git",
        "../orders",
        "file:///srv/git/orders.git",
        "orders",
        "https://github.com/orders",
        "https://[github.com/acme/orders",
        "C:\\git\\orders",
        "https://",
    ],
)
def test_what_is_on_no_forge_names_none(url: str) -> None:
    assert parse(url) is None


def test_a_users_secret_is_in_no_address() -> None:
    remote = parse("https://ann:ghp_secret@github.com/acme/orders.git")
    assert remote
    assert remote.address == "https://github.com/acme/orders"
