"""A function's URL, as it is printed."""

import time

import pytest

from stepladder.aws_lambda.function_url import shown

IDENTITY = "abcdefghijklmnopqrstuvwxyz234567"
PATH = f"http://127.0.0.1:4600/_url/{IDENTITY}/"
NAME = f"http://{IDENTITY}.lambda-url.localhost:4600/"


def resolver(*addresses):
    return lambda _name, _port: list(addresses)


def test_the_functions_own_name_is_shown_where_it_resolves():
    assert shown(PATH, resolver("127.0.0.1", "::1")) == NAME


def test_an_http_apis_own_name_is_shown_too():
    shown_as = shown("http://127.0.0.1:4600/_api/abcdefgh/", resolver("127.0.0.1"))
    assert shown_as == "http://abcdefgh.execute-api.localhost:4600/"


@pytest.mark.parametrize("addresses", [(), ("192.0.2.7",), ("127.0.0.1", "192.0.2.7")], ids=str)
def test_the_path_is_shown_where_the_name_does_not_lead_to_this_machine(addresses):
    assert shown(PATH, resolver(*addresses)) == PATH


@pytest.mark.timing("an answer is bounded to 4 s")
def test_the_path_is_shown_where_the_resolver_fails_or_does_not_answer():
    def fails(_name, _port):
        raise OSError("Name or service not known")

    def sleeps(_name, _port):
        time.sleep(5)
        return ["127.0.0.1"]

    assert shown(PATH, fails) == PATH
    begun = time.monotonic()
    assert shown(PATH, sleeps) == PATH
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    "url", ["", f"https://{IDENTITY}.lambda-url.eu-west-1.on.aws/", "http://192.0.2.7:4600/_url/x/"]
)
def test_any_other_address_is_shown_as_it_is(url):
    assert shown(url, resolver("127.0.0.1")) == url
