"""Decisions about requests, by the examples of AWS's pages on how policies are evaluated."""

from __future__ import annotations

import json

import pytest

from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Principal

ACCOUNT, ANOTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/run"
AS_ROLE = Principal(arn=ROLE, session_arn=SESSION, account=ACCOUNT, user_id="AROAEXAMPLE:run", tags={"Team": "red"})
AS_USER = Principal(arn=f"arn:aws:iam::{ACCOUNT}:user/carlossalazar", account=ACCOUNT, user_name="carlossalazar")
AS_ROOT = Principal(arn=f"arn:aws:iam::{ACCOUNT}:root", account=ACCOUNT, is_root=True)
AS_LAMBDA = Principal(service="lambda.amazonaws.com")
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"
SEND = AccessRequest("sqs:SendMessage", QUEUE)
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NOTHING_OF_SQS = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def policy(*statements, version="2012-10-17"):
    return parse_policy(json.dumps({"Version": version, "Statement": list(statements)}))


def grant(principal, effect="Allow", action="sqs:*", **more):
    return policy({"Effect": effect, "Principal": principal, "Action": action, "Resource": "*", **more})


def decided(request=SEND, principal=AS_ROLE, *, identity=(), boundary=None, session=None, resource=None, owner=ACCOUNT):
    policies = ApplicablePolicies(
        identity=(policy(*identity),) if identity else (),
        boundary=boundary and policy(boundary),
        session=(policy(session),) if session else None,
        resource=resource,
    )
    return decide(request, principal, policies, owner)


def test_what_no_policy_allows_is_denied_and_the_missing_statement_is_named():
    decision = decided()
    assert not decision.allowed
    assert not decision.explicit
    assert decision.policy_type == "identity-based policy"
    assert decision.missing == {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE}


def test_an_explicit_denial_overrides_what_is_allowed_and_the_statement_is_named():
    denial = {"Sid": "No", "Effect": "Deny", "Action": "sqs:Send*", "Resource": "*"}
    decision = decided(identity=[EVERYTHING, denial])
    assert (decision.allowed, decision.explicit, decision.policy_type) == (False, True, "identity-based policy")
    assert decision.statement == denial
    assert decision.missing is None


def test_carlos_may_what_his_policy_or_the_buckets_allows():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html"""
    logs = "arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar-logs"
    own = [
        {"Effect": "Allow", "Action": ["s3:ListAllMyBuckets", "s3:GetBucketLocation"], "Resource": "arn:aws:s3:::*"},
        {"Effect": "Allow", "Action": "s3:*Object*", "Resource": "arn:aws:s3:::amzn-s3-demo-bucket-${aws:username}/*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::*log*"},
    ]
    of_bucket = grant({"AWS": AS_USER.arn}, action="s3:PutObject")
    theirs = AccessRequest("s3:PutObject", "arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar/a.txt")
    assert decided(theirs, AS_USER, identity=own).allowed
    of_logs = decided(AccessRequest("s3:PutObject", f"{logs}/a.txt"), AS_USER, identity=own, resource=of_bucket)
    assert of_logs.explicit
    elsewhere = AccessRequest("s3:PutObject", "arn:aws:s3:::amzn-s3-demo-bucket-mary/a.txt")
    assert not decided(elsewhere, AS_USER, identity=own).allowed
    assert decided(elsewhere, AS_USER, identity=own, resource=of_bucket).allowed


def test_a_resource_of_another_account_takes_both_sides():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html"""
    own = [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]
    to_role, to_account = grant({"AWS": ROLE}), grant({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    assert decided(owner=ANOTHER, identity=own).policy_type == "resource-based policy"
    assert decided(owner=ANOTHER, resource=to_role).policy_type == "identity-based policy"
    assert decided(owner=ANOTHER, identity=own, resource=to_role).allowed
    assert decided(owner=ANOTHER, identity=own, resource=to_account).allowed
    assert not decided(owner=ANOTHER, identity=own, resource=grant({"AWS": ANOTHER})).allowed
    assert decided(owner=ANOTHER, principal=AS_ROOT, resource=to_account).allowed


def test_a_missing_statement_of_a_resource_names_the_role():
    own = [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]
    assert decided(owner=ANOTHER, identity=own).missing == {
        "Effect": "Allow",
        "Principal": {"AWS": ROLE},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
    }


def test_a_boundary_limits_what_an_identitys_policies_allow():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"""
    boundary = {"Effect": "Allow", "Action": ["s3:*", "cloudwatch:*", "ec2:*"], "Resource": "*"}
    create = AccessRequest("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/new")
    decision = decided(create, AS_USER, identity=[EVERYTHING], boundary=boundary)
    assert (decision.allowed, decision.policy_type) == (False, "permissions boundary")
    assert not decided(AccessRequest("s3:GetObject", "arn:aws:s3:::b/k"), AS_USER, boundary=boundary).allowed
    assert decided(
        AccessRequest("s3:GetObject", "arn:aws:s3:::b/k"), AS_USER, identity=[EVERYTHING], boundary=boundary
    ).allowed


def test_a_session_policy_limits_what_the_role_may():
    decision = decided(identity=[EVERYTHING], session=NOTHING_OF_SQS)
    assert (decision.allowed, decision.policy_type) == (False, "session policy")
    assert decided(identity=[EVERYTHING], session=EVERYTHING).allowed


@pytest.mark.parametrize("limit", ["boundary", "session"])
def test_a_grant_to_a_role_is_limited_and_one_to_its_session_is_not(limit):
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html"""
    limited = {limit: NOTHING_OF_SQS}
    assert not decided(resource=grant({"AWS": ROLE}), **limited).allowed
    assert decided(resource=grant({"AWS": SESSION}), **limited).allowed
    assert decided(resource=grant("*"), **limited).allowed
    assert decided(resource=grant({"AWS": ROLE})).allowed


def test_a_grant_to_a_user_is_not_limited_by_the_boundary():
    assert decided(principal=AS_USER, resource=grant({"AWS": AS_USER.arn}), boundary=NOTHING_OF_SQS).allowed


def test_a_grant_to_the_account_leaves_it_to_the_accounts_policies():
    to_account = grant({"AWS": ACCOUNT})
    assert not decided(resource=to_account).allowed
    assert decided(resource=to_account, identity=[EVERYTHING]).allowed


def test_a_denial_of_everybody_but_some_denies_every_principal_with_a_boundary():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"""
    but_me = policy({"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}, "Action": "sqs:*", "Resource": "*"})
    but_others = policy({"Effect": "Deny", "NotPrincipal": {"AWS": f"{ROLE}2"}, "Action": "sqs:*", "Resource": "*"})
    assert decided(identity=[EVERYTHING], resource=but_me).allowed
    assert decided(identity=[EVERYTHING], resource=but_others).explicit
    assert decided(identity=[EVERYTHING], resource=but_me, boundary=EVERYTHING).explicit


def test_the_root_of_an_account_may_everything_there_that_no_policy_of_the_resource_denies():
    assert decided(principal=AS_ROOT).allowed
    assert not decided(principal=AS_ROOT, owner=ANOTHER).allowed
    assert decided(principal=AS_ROOT, resource=grant("*", effect="Deny")).explicit


def test_a_service_may_what_the_resources_policy_allows_it_for_its_source():
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:news"
    allowed = grant({"Service": "sns.amazonaws.com"}, Condition={"ArnEquals": {"aws:SourceArn": topic}})
    sns = Principal(service="sns.amazonaws.com")
    from_topic = AccessRequest("sqs:SendMessage", QUEUE, {"aws:sourcearn": (topic,)})
    assert decided(from_topic, sns, resource=allowed).allowed
    assert not decided(
        AccessRequest("sqs:SendMessage", QUEUE, {"aws:sourcearn": (topic + "2",)}), sns, resource=allowed
    ).allowed
    refused = decided(from_topic, AS_LAMBDA, resource=allowed)
    assert refused.policy_type == "resource-based policy"
    assert refused.missing["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_nobody_knows_an_anonymous_caller_but_everybody():
    assert decided(principal=Principal(), resource=grant("*")).allowed
    assert not decided(principal=Principal(), resource=grant({"AWS": ACCOUNT})).allowed


def trust(principal, **more):
    return policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more})


ASSUME = AccessRequest("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/target")
MAY_ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ASSUME.resource}


def test_a_role_is_assumed_by_whom_its_trust_policy_names():
    assert decided(ASSUME, AS_LAMBDA, resource=trust({"Service": "lambda.amazonaws.com"})).allowed
    assert not decided(ASSUME, AS_LAMBDA, resource=trust({"Service": "states.amazonaws.com"})).allowed
    assert decided(ASSUME, resource=trust({"AWS": ROLE})).allowed
    lacking = decided(ASSUME, identity=[MAY_ASSUME], resource=trust({"Service": "lambda.amazonaws.com"}))
    assert (lacking.allowed, lacking.policy_type) == (False, "resource-based policy")


def test_a_trust_policy_that_names_the_account_takes_a_policy_of_the_caller_too():
    of_account = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    assert not decided(ASSUME, resource=of_account).allowed
    assert decided(ASSUME, identity=[MAY_ASSUME], resource=of_account).allowed


def test_a_role_of_another_account_asks_for_the_external_id():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-user_externalid.html"""
    theirs = trust({"AWS": ACCOUNT}, Condition={"StringEquals": {"sts:ExternalId": "12345"}})
    named = AccessRequest(ASSUME.action, ASSUME.resource, {"sts:externalid": ("12345",)})
    assert decided(named, identity=[MAY_ASSUME], resource=theirs, owner=ANOTHER).allowed
    assert not decided(ASSUME, identity=[MAY_ASSUME], resource=theirs, owner=ANOTHER).allowed


def test_a_web_identity_is_that_of_its_provider_and_its_claims():
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    trusted = policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:me/app:*"}},
        }
    )
    context = {"token.actions.githubusercontent.com:sub": ("repo:me/app:ref:refs/heads/main",)}
    request = AccessRequest("sts:AssumeRoleWithWebIdentity", ASSUME.resource, context)
    assert decided(request, Principal(federated=provider), resource=trusted).allowed
    assert not decided(request, Principal(federated=provider + "2"), resource=trusted).allowed
    theirs = AccessRequest(request.action, request.resource, {next(iter(context)): ("repo:you/app:x",)})
    assert not decided(theirs, Principal(federated=provider), resource=trusted).allowed


def test_a_key_is_used_by_whom_its_own_policy_lets_the_accounts_policies_decide_about():
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    request = AccessRequest("kms:Decrypt", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k")
    default = grant({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, action="kms:*")
    assert decided(request, identity=[EVERYTHING], resource=default).allowed
    assert not decided(request, resource=default).allowed
    of_others = grant({"AWS": f"{ROLE}2"}, action="kms:*")
    assert decided(request, identity=[EVERYTHING], resource=of_others).policy_type == "resource-based policy"
    assert not decided(request, principal=AS_ROOT, resource=of_others).allowed


ORGANIZATION = {"StringEquals": {"aws:PrincipalOrgID": "o-example"}}


def test_what_is_unknown_is_allowed_and_named():
    decision = decided(identity=[{**EVERYTHING, "Condition": ORGANIZATION}])
    assert decision.allowed
    assert decision.unknown == ("condition key aws:principalorgid",)


def test_what_is_unknown_of_a_denial_denies_nothing_and_is_named():
    decision = decided(identity=[EVERYTHING, {**EVERYTHING, "Effect": "Deny", "Condition": ORGANIZATION}])
    assert decision.allowed
    assert decision.unknown == ("condition key aws:principalorgid",)


def test_what_is_unknown_is_not_named_where_it_decides_nothing():
    assert decided(identity=[{**EVERYTHING, "Condition": ORGANIZATION}, EVERYTHING]).unknown == ()
    assert decided(identity=[{**EVERYTHING, "Condition": ORGANIZATION}], session=NOTHING_OF_SQS).unknown == ()
    unlike = {**ORGANIZATION, "StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/x"}}
    assert not decided(identity=[{**EVERYTHING, "Condition": unlike}]).allowed


@pytest.mark.parametrize(
    ("statement", "unknown"),
    [
        ({"Condition": {"StringSoundsLike": {"aws:username": "x"}}}, "condition operator StringSoundsLike"),
        (
            {"Condition": {"ForMostValues:StringLike": {"aws:username": "x"}}},
            "condition operator ForMostValues:StringLike",
        ),
        ({"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam"}}}, "the ARN arn:aws:iam, which lacks parts"),
        ({"Conditions": {}}, "element Conditions"),
        ({"Resource": "arn:aws:sqs:*:*:${aws:PrincipalOrgID}"}, "condition key aws:principalorgid"),
    ],
)
def test_a_statement_that_isnt_understood_is_named(statement, unknown):
    decision = decided(identity=[{**EVERYTHING, **statement}])
    assert decision.allowed
    assert decision.unknown == (unknown,)


def test_a_key_that_a_call_never_has_is_missing_and_not_unknown():
    assert not decided(identity=[{**EVERYTHING, "Condition": {"StringLike": {"s3:prefix": "*"}}}]).allowed


def test_another_arn_of_the_same_resource_may_be_allowed_and_is_never_denied():
    request = AccessRequest(
        "lambda:GetAlias", "arn:aws:lambda:us-east-1:1:function:f", also=("arn:aws:lambda:us-east-1:1:function:f:live",)
    )
    named = {"Effect": "Allow", "Action": "lambda:*", "Resource": request.also[0]}
    assert decided(request, identity=[named]).allowed
    assert decided(request, identity=[EVERYTHING, {**named, "Effect": "Deny"}]).allowed
    outside = {"Effect": "Allow", "Action": "lambda:*", "NotResource": request.also[0]}
    assert decided(request, identity=[outside]).allowed
    assert not decided(request, identity=[{**outside, "NotResource": [request.resource, *request.also]}]).allowed


def test_a_tag_of_the_principal_is_a_variable_in_a_resource():
    own = {"Effect": "Allow", "Action": "sqs:*", "Resource": f"arn:aws:sqs:*:{ACCOUNT}:${{aws:PrincipalTag/Team}}-*"}
    assert decided(
        AccessRequest("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:red-jobs"), identity=[own]
    ).allowed
    assert not decided(
        AccessRequest("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:blue-jobs"), identity=[own]
    ).allowed


@pytest.mark.parametrize("text", ["", "[]", "{", '"*"'])
def test_what_is_no_policy_is_refused(text):
    with pytest.raises(ValueError, match="no policy"):
        parse_policy(text)


@pytest.mark.parametrize(
    ("named", "allowed"),
    [
        ("states.amazonaws.com", True),
        ("states.us-east-1.amazonaws.com", True),
        ("states.us-gov-west-1.amazonaws.com", True),
        ("states.amazonaws.com.cn", True),
        ("events.amazonaws.com", False),
    ],
)
def test_a_service_is_named_with_its_region_or_without(named, allowed):
    assert (
        decided(principal=Principal(service="states.amazonaws.com"), resource=grant({"Service": named})).allowed
        is allowed
    )


def test_a_service_of_another_region_is_another_one():
    service = Principal(service="states.us-east-1.amazonaws.com")
    assert not decided(principal=service, resource=grant({"Service": "states.eu-west-1.amazonaws.com"})).allowed


@pytest.mark.parametrize("condition", ["x", ["x"], {"StringEquals": "x"}])
def test_conditions_that_are_none_are_unknown(condition):
    assert decided(identity=[{**EVERYTHING, "Condition": condition}]).unknown


def test_a_federated_user_has_an_arn_of_its_own_and_no_user_name():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
    session = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    guest = Principal(arn=AS_USER.arn, session_arn=session, account=ACCOUNT, user_name="carlossalazar")

    def allowed(condition):
        own = [{**EVERYTHING, "Condition": condition}]
        return decided(principal=guest, identity=own, session=EVERYTHING).allowed

    assert allowed({"ArnEquals": {"aws:PrincipalArn": session}, "StringEquals": {"aws:PrincipalType": "FederatedUser"}})
    assert allowed({"Null": {"aws:username": "true"}})
    assert not decided(principal=guest, resource=grant({"AWS": AS_USER.arn}), session=NOTHING_OF_SQS).allowed


def test_what_nobody_says_of_a_session_or_a_service_is_unknown():
    within = {"DateGreaterThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}}
    assert decided(identity=[{**EVERYTHING, "Condition": within}]).unknown == ("condition key aws:tokenissuetime",)
    issued = AccessRequest("sqs:SendMessage", QUEUE, {"aws:tokenissuetime": ("2025-01-01T00:00:00Z",)})
    assert not decided(issued, identity=[{**EVERYTHING, "Condition": within}]).allowed
    assert not decided(principal=AS_USER, identity=[{**EVERYTHING, "Condition": within}]).allowed
    of_account = grant({"Service": "lambda.amazonaws.com"}, Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}})
    assert decided(principal=AS_LAMBDA, resource=of_account).unknown == ("condition key aws:sourceaccount",)


def test_a_session_without_a_second_factor_says_so():
    without = {**EVERYTHING, "Effect": "Deny", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}
    assert decided(identity=[EVERYTHING, without]).explicit
    assert decided(principal=AS_USER, identity=[EVERYTHING, without]).allowed
