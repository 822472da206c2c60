"""Identity providers of an account, which has at most one of each issuer: tests that share a cloud share them."""

from __future__ import annotations

from typing import Any


def remove(cloud: Any, *urls: str) -> None:
    """Delete the providers of these issuers, if there are any.

    IAM returns no error for a provider that doesn't exist (API_DeleteOpenIDConnectProvider in its API reference).
    """
    for url in urls:
        arn = f"arn:aws:iam::{cloud.account}:oidc-provider/{url.removeprefix('https://')}"
        cloud.client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
