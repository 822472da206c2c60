"""Secrets in texts that others wrote: which are taken out, and what stays to be read."""

import pytest

from stepladder.settings.redacted import redacted


@pytest.mark.parametrize(
    "text",
    [
        "DB_PASSWORD='hunter2 battery staple'",
        'api_key => "hunter2 staple"',
        r"""{"errorMessage": "login failed: {\"password\": \"hunter2hunter\", \"user\": \"bob\"}"}""",
        r"""{"cause": "{\\\"errorMessage\\\": \\\"password = 'hunter2hunter'\\\"}"}""",
        "error:password=hunter2",
        "https://example.com/?user=bob&token=hunter2abc&page=1",
        "Environment:{Variables:{DB_PASSWORD:hunter2}}",
        "SECRET_KEY = b'hunter2'",
        "Authorization: Bearer hunter2.abcdef",
        '"authorization": "Basic hunter2=="',
        'password="hunter2 that is cut off',
        "postgres://bob:hunter2@db/x",
    ],
)
def test_a_secret_is_taken_out_however_it_is_quoted(text):
    shown = redacted(text)
    assert "(hidden)" in shown
    assert "hunter2" not in shown
    assert "staple" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'coffee'",
        "version: 3, name: hello, error: the queue is full",
        "PASSWORD_MIN_LENGTH=12 and TOKEN_URL=https://example.com/token",
        '{"errorMessage": "the password is wrong", "errorType": "LoginError"}',
        "module.service.aws_lambda_function.this: creating Lambda Function (hello-staging)",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_of_a_sentence_in_quotes_only_the_secret_is_hidden():
    assert redacted('error: "no AKIAIOSFODNN7EXAMPLE today"') == 'error: "no (hidden) today"'
