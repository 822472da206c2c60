"""What only a page in a browser would send, the local cloud refuses: it takes everything unsigned."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from localcloud.http.origins import refusal

CLOUD = "127.0.0.1:4600"
CREATE = "/2015-03-31/functions?X-Amz-Credential=123456789012/20260101/eu-west-1/lambda/aws4_request"


def asked(**headers: str) -> str:
    return refusal({f"HTTP_{name.upper()}": value for name, value in headers.items()}, ("cloud.example.com",))


@pytest.mark.parametrize(
    "host",
    [
        *(
            CLOUD,
            "127.0.0.1",
            "[::1]:4600",
            "192.0.2.7:4600",
            "localhost:4600",
            "LOCALHOST",
            "a.b.localhost:4600",
        ),
        *("host.docker.internal:4600", "cloud:4600", "cloud.example.com:4600", "localhost.:4600"),
    ],
)
def test_a_client_that_names_this_machine_or_an_allowed_name_is_let_in(host: str) -> None:
    assert asked(host=host) == ""
    assert asked(host=host, origin=f"http://{host}", sec_fetch_site="same-origin") == ""


def test_a_client_that_says_nothing_is_let_in() -> None:
    assert asked() == ""
    assert asked(host=CLOUD, sec_fetch_site="none") == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4600",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "1.2.3.4.5",
        "example.com.",
    ],
)
def test_a_name_that_somebody_else_may_own_is_refused(host: str) -> None:
    assert "--allow-host" in asked(host=host)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": f"https://{CLOUD}"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": f"http://{CLOUD}", "sec_fetch_site": "cross-site"},
    ],
    ids=str,
)
def test_a_page_of_another_origin_is_refused(headers: dict[str, str]) -> None:
    assert "may not call" in asked(host=CLOUD, **headers)


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CREATE),
        ("GET", CREATE),
        ("POST", "/_stepladder/faults"),
        ("POST", "/_stepladder/clock"),
        ("GET", "/v2/"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example:4600"}],
    ids=["an origin", "a site", "a rebound name"],
)
def test_nothing_is_done_for_a_page(cloud: Any, method: str, path: str, headers: dict[str, str]) -> None:
    before = cloud.calls()
    answer = urllib3.request(
        method, cloud.url + path, headers={"Content-Type": "text/plain", **headers}, body=b'{"speed": 2}', retries=False
    )
    assert answer.status == 403
    assert answer.headers["x-amzn-ErrorType"] == "AccessDeniedException"
    assert cloud.calls() == before
    assert cloud.info.request("clock")["speed"] == 1


@pytest.mark.cloud
def test_a_functions_url_is_the_functions_to_answer(functions: Any) -> None:
    name = functions.create("def handler(event, context):\n    return event['headers'].get('origin', '')\n")
    shared = {"FunctionName": name, "Principal": "*"}
    url = functions.client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    add = functions.client.add_permission
    add(**shared, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    add(**shared, StatementId="call", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
    page = {"Origin": "https://a.example", "Sec-Fetch-Site": "cross-site"}
    own = {"Host": f"{urlsplit(url).path.split('/')[2]}.lambda-url.localhost"}
    for target, headers in ((url, page), (f"{functions.cloud.url}/", {**page, **own})):
        answer = urllib3.request("GET", target, headers=headers, retries=False, timeout=60)
        assert (answer.status, answer.data) == (200, b"https://a.example")
