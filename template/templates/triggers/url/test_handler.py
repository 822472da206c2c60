import json

from app.handler import handler


def test_the_root_says_hello(event, context):
    answer = handler(event("event"), context)

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"message": "hello"}


def test_a_name_is_greeted(event, context):
    request = event("event")
    request["rawPath"] = request["requestContext"]["http"]["path"] = "/hello/Ada"

    assert json.loads(handler(request, context)["body"]) == {"message": "hello, Ada"}


def test_an_unknown_path_is_not_found(event, context):
    assert handler(event("bad-event"), context)["statusCode"] == 404
