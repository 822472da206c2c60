"""Which repository's jobs may act in AWS: what the settings take, refuse, and make of it."""

import copy
from pathlib import Path

import pytest

from stepladder.core.errors import BadInputError
from stepladder.settings import load

PLACE = {"account": "123456789012", "region": "eu-west-1"}
GOOD = {"project": "orders", "environments": {"staging": PLACE, "production": PLACE}}
IDS = {"repository": "acme/orders", "owner_id": "1", "repository_id": "2"}
NUMBER = "allowed: the number that `gh api repos/OWNER/NAME --jq"


def read(**ci):
    return load.load({**copy.deepcopy(GOOD), "ci": ci}, Path()).ci


def problems(**ci):
    with pytest.raises(BadInputError) as refused:
        read(**ci)
    return refused.value.problems


WRONG = {
    "a repository without a slash": ({"github": {"repository": "orders"}}, "a repository like acme/orders"),
    "a repository with a host": ({"github": {"repository": "https://github.com/acme/orders"}}, "without a host"),
    "a repository as git clones it": ({"github": {"repository": "acme/orders.git"}}, "a repository like acme/orders"),
    "a wildcard for the repository": ({"github": {"repository": "acme/*"}}, "a repository like acme/orders"),
    "a question mark in the owner": ({"github": {"repository": "acm?/orders"}}, "a repository like acme/orders"),
    "a repository that steps up": ({"github": {"repository": "acme/.."}}, "a repository like acme/orders"),
    "a repository with a line break": ({"github": {"repository": "acme/orders\n"}}, "a repository like acme/orders"),
    "a repository that ends another subject's part": (
        {"github": {"repository": "acme/orders:pull_request"}},
        "a repository like acme/orders",
    ),
    "an owner's id of any number": ({"github": {**IDS, "owner_id": "*"}}, f"{NUMBER} .owner.id`"),
    "a repository's id of any number": ({"github": {**IDS, "repository_id": "?"}}, f"{NUMBER} .id`"),
    "an id that begins with any number": ({"github": {**IDS, "owner_id": "12*"}}, NUMBER),
    "an id in other scripts' digits": ({"github": {**IDS, "owner_id": "١٢"}}, NUMBER),
    "an id that is true": ({"github": {**IDS, "owner_id": True}}, NUMBER),
    "an id of nothing": ({"github": {**IDS, "owner_id": 0}}, NUMBER),
    "an owner's id alone": (
        {"github": {"repository": "acme/orders", "owner_id": "1"}},
        "stepladder.ci.github.repository_id is ''; allowed: the id that belongs beside ci.github.owner_id",
    ),
    "ids without a repository": (
        {"github": {"owner_id": "1", "repository_id": "2"}},
        "an id beside ci.github.repository, which isn't set",
    ),
    "the older subject beside no ids": (
        {"github": {"repository": "acme/orders", "older_subject": True}},
        "stepladder.ci.github.older_subject is True; allowed: true beside the ids",
    ),
    "an issuer without encryption": ({"gitlab": {"url": "http://gitlab.example.com"}}, "https://gitlab.example.com"),
    "an issuer that is only a host": ({"gitlab": {"url": "gitlab.example.com"}}, "https://gitlab.example.com"),
    "an issuer with a query": ({"gitlab": {"url": "https://gitlab.example.com/?a=b"}}, "without a port or a query"),
    "an issuer with a port": ({"gitlab": {"url": "https://gitlab.example.com:8443"}}, "without a port"),
    "an issuer with a user": ({"gitlab": {"url": "https://me@gitlab.example.com"}}, "https://gitlab.example.com"),
    "an issuer in capitals": ({"gitlab": {"url": "https://GitLab.example.com"}}, "the host in lower case"),
    "an issuer of any host": ({"gitlab": {"url": "https://*.example.com"}}, "https://gitlab.example.com"),
    "an issuer whose brackets are open": ({"gitlab": {"url": "https://[gitlab"}}, "https://gitlab.example.com"),
    "a GitLab project without a group": ({"gitlab": {"project": "orders"}}, "a project like acme/orders"),
    "a wildcard in a group": ({"gitlab": {"project": "acme/*/orders"}}, "a project like acme/orders"),
    "a GitLab project with a slash in front": ({"gitlab": {"project": "/acme/orders"}}, "a project like acme/orders"),
    "one issuer for both": (
        {
            "github": {"repository": "a/b", "issuer": "https://git.example.com"},
            "gitlab": {"project": "a/b", "url": "https://git.example.com"},
        },
        "another address than ci.github.issuer",
    ),
    "a branch by its whole reference": ({"branch": "refs/heads/main"}, "without refs/heads/"),
    "any branch": ({"branch": "*"}, "a branch's name like main"),
    "a branch with a colon": ({"branch": "main:pull_request"}, "a branch's name like main"),
    "no branch": ({"branch": ""}, "a branch's name like main"),
    "an unknown way to a provider": ({"github": {"provider": "maybe"}}, "allowed: create, existing"),
    "a boundary of another account": (
        {"permissions_boundary": "arn:aws:iam::210987654321:policy/ci"},
        "a policy's name, since no ARN is one in each account (123456789012)",
    ),
    "a boundary that is a role": ({"permissions_boundary": "arn:aws:iam::123456789012:role/ci"}, "a managed policy's"),
    "an unknown key": ({"github": {"repo": "acme/orders"}}, "stepladder.ci.github.repo is not a setting"),
}


@pytest.mark.parametrize(("ci", "message"), WRONG.values(), ids=WRONG)
def test_ci_refuses(ci, message):
    found = problems(**ci)
    assert [each for each in found if message in each], found


@pytest.mark.parametrize("ci", [each for each, _ in WRONG.values()], ids=list(WRONG))
def test_each_fault_of_ci_is_one_message(ci):
    assert len(problems(**ci)) == 1


def test_a_project_without_ci_trusts_no_forge():
    assert read().forges == {}


def test_a_repository_with_ids_has_the_immutable_subject_only():
    github = read(github=IDS).github
    assert github.of_environment("production", "main") == ("repo:acme@1/orders@2:environment:production",)
    assert github.of_branch("main") == ("repo:acme@1/orders@2:ref:refs/heads/main",)
    assert github.of_pull_requests() == ("repo:acme@1/orders@2:pull_request",)


def test_ids_may_be_numbers():
    assert read(github={**IDS, "owner_id": 1, "repository_id": 2}).github == read(github=IDS).github


def test_a_repository_without_ids_has_the_older_subject():
    assert read(github={"repository": "acme/orders"}).github.of_pull_requests() == ("repo:acme/orders:pull_request",)


def test_an_older_repository_may_have_both_subjects():
    assert read(github={**IDS, "older_subject": True}).github.of_environment("staging", "main") == (
        "repo:acme@1/orders@2:environment:staging",
        "repo:acme/orders:environment:staging",
    )


def test_an_environment_of_gitlab_has_the_subject_of_the_branch():
    gitlab = read(gitlab={"project": "acme/shop/orders"}, branch="trunk").gitlab
    subjects = ("project_path:acme/shop/orders:ref_type:branch:ref:trunk",)
    assert gitlab.of_environment("production", "trunk") == gitlab.of_branch("trunk") == subjects


@pytest.mark.parametrize(
    ("url", "issuer"),
    [
        ("https://gitlab.com/", "https://gitlab.com"),
        ("https://git.example.com/gitlab/", "https://git.example.com/gitlab"),
        ("https://git.example.com/gitlab//", "https://git.example.com/gitlab"),
    ],
)
def test_an_issuer_has_no_slash_at_its_end(url, issuer):
    gitlab = read(gitlab={"project": "acme/orders", "url": url}).gitlab
    assert (gitlab.url, gitlab.audience) == (issuer, issuer)


def test_both_forges_may_be_trusted_at_once():
    assert list(read(github=IDS, gitlab={"project": "acme/orders"}).forges) == ["github", "gitlab"]


def test_a_boundary_of_awss_own_is_one_in_each_account():
    arn = "arn:aws:iam::aws:policy/PowerUserAccess"
    assert read(permissions_boundary=arn).permissions_boundary == arn


def test_the_longest_names_of_roles_fit_into_iam():
    names = load.load(
        {**GOOD, "project": "a" * 24, "environments": {"b" * 12: PLACE}, "rungs": ["b" * 12]}, Path()
    ).names("b" * 12)
    assert max(len(names.ci_role(each)) for each in ("plan", "deploy", "release")) <= 64
