"""What a promotion plans and applies: all plans first, then the ladder's order; refusals before anything is applied."""

import io
from dataclasses import replace

import pytest
from fakes.deploy_harness import TABLE, DeployHarness, FakeAws
from fakes.dynamodb import FakeDynamoDB
from fakes.lambda_ import ACCOUNT, REGION

from stepladder.core.console import Console
from stepladder.core.errors import LockedError, RefusedError
from stepladder.ledger import schema
from stepladder.ledger.schema import Current, InfraRecord
from stepladder.promotion import infra
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.roots import RootPlan
from stepladder.releases.interfaces import Applied
from stepladder.settings.load import load
from stepladder.terraform.failures import TerraformError

DIGEST = "sha256:" + "b" * 64
OTHER = "222222222222"


class Roots:
    """Terraform, told of: what is planned and applied, in order."""

    def __init__(self, tables):
        self.tables = tables
        self.did = []
        self.images, self.named = {}, {}
        self.destroyed = {}
        self.code = "one"

    def name(self, rung, root):
        return f"{rung.environment}/{root}"

    def inputs_hash(self, rung, root):
        return f"{root} {self.code}"

    def init(self, rung, root):
        self.did.append(f"init {self.name(rung, root)}")
        return (f"{root}/.terraform.lock.hcl was written",) if root == "delivery" else ()

    def plan(self, rung, root, image_uri, step, *, images=None):
        self.did.append(f"plan {self.name(rung, root)}")
        self.images[rung.environment], self.named[rung.environment] = image_uri, images
        return RootPlan("1 to add", self.destroyed.get(self.name(rung, root), ()))

    def apply(self, rung, root, step):
        self.did.append(f"apply {self.name(rung, root)}")
        return Applied("plan1", "1 to add", {"http_api_url": "https://url/"}, inputs_hash=f"{root} {self.code}")

    def ensure(self, rung, root, image_uri, step):
        self.images[rung.environment] = image_uri
        return self.apply(rung, root, step)

    @property
    def applied(self):
        return [what.removeprefix("apply ") for what in self.did if what.startswith("apply ")]


class Ladder:
    """A ladder whose lowest rung is deployed. `elsewhere` is in another account, whose ledger isn't there yet."""

    def __init__(self, root, monkeypatch, *, approval=False, elsewhere=False, functions=(), main=True):
        harness = DeployHarness(root)
        production = {"account": OTHER, "region": REGION, "role_arn": "arn:aws:iam::222222222222:role/deployer"}
        there = {"account": ACCOUNT, "region": REGION}
        settings = load(
            {
                "project": "hello",
                "environments": {"staging": there, "qa": there, "production": production if elsewhere else there},
                "rungs": ["staging", "qa", "production"],
                "promotion": {"rungs": {"production": {"approval": approval}}},
                **({"functions": {name: {} for name in functions}, "main": main} if functions else {}),
            },
            root,
        )
        self.err = io.StringIO()
        home = "qa" if elsewhere else "production"
        rung = replace(harness.rung(), settings=settings, environment=home, console=Console(err=self.err, live=False))
        self.machine = StateMachine(rung)
        self.table = harness.table
        self.table.tables[TABLE] = {}
        self.roots = Roots(self.table)
        if elsewhere:
            self.there = FakeDynamoDB()
            aws = FakeAws(harness.aws.clients | {"dynamodb": self.there})
            self.machine._by_target["production"] = replace(rung, environment="production", aws=aws)
            ensure = self.roots.ensure
            apply = self.roots.apply

            def make(done):
                def act(at, root, *more):
                    if (at.environment, root) == ("production", "foundation"):
                        self.there.tables[TABLE] = {}
                    return done(at, root, *more)

                return act

            self.roots.ensure, self.roots.apply = make(ensure), make(apply)
        bring = self.roots.did.append
        monkeypatch.setattr(infra, "copy_images", lambda _, digests: [bring(f"bring {each}") for each in digests])
        self.record("root#foundation", "foundation one")
        self.record("env#staging", "service one")

    def record(self, pk, inputs):
        self.table.tables[TABLE][pk, "infra"] = schema.item(schema.key(pk, "infra"), InfraRecord(inputs, "p", "then"))

    def prepare(self, *missing, **how):
        return infra.prepare(self.machine, missing, {"": DIGEST}, roots=self.roots, **how)

    def infra(self, environment):
        return self.machine.at(environment).ledger.snapshot(environment).infra

    def locks(self):
        return [n for n in self.machine.rung.settings.ladder_environments if self.machine.at(n).ledger.snapshot(n).lock]


@pytest.fixture
def ladder(tmp_path, monkeypatch):
    return Ladder(tmp_path, monkeypatch)


def test_a_function_that_a_rung_lacks_is_created_from_the_image_that_is_promoted(tmp_path, monkeypatch):
    ladder = Ladder(tmp_path, monkeypatch, functions=("mailer", "biller"))
    ladder.record("env#qa", "service one")
    ladder.record("env#production", "service one")
    biller = Current("r1", "1", "sha256:" + "c" * 64, "", "", "")
    ladder.machine.rung.ledger.set_current("staging-biller", biller, was=None)
    digests = {"mailer": DIGEST}
    assert infra.prepare(ladder.machine, ("production-mailer",), digests, roots=ladder.roots) == ("production",)
    images = {name: uri.rpartition("@")[2] for name, uri in ladder.roots.named["production"].items()}
    assert images == {"mailer": DIGEST, "biller": biller.digest}, "an apply has all functions of the environment"
    assert ladder.roots.images["production"] is None, "its own function is there"
    assert "qa" not in ladder.roots.named
    assert ladder.infra("production").input_hash == "service one"


def test_a_new_service_has_all_functions_also_those_that_are_not_promoted(tmp_path, monkeypatch):
    ladder = Ladder(tmp_path, monkeypatch, functions=("mailer", "biller"))
    images = {"staging": "c", "staging-biller": "d"}
    for key, letter in images.items():
        current = Current("r1", "1", "sha256:" + letter * 64, "", "", "")
        ladder.machine.rung.ledger.set_current(key, current, was=None)
    infra.prepare(ladder.machine, ("qa-mailer",), {"mailer": DIGEST}, roots=ladder.roots)
    assert ladder.roots.images["qa"].endswith("@sha256:" + "c" * 64), "the project's own is made, too"
    named = {name: uri.rpartition("@")[2] for name, uri in ladder.roots.named["qa"].items()}
    assert named == {"mailer": DIGEST, "biller": "sha256:" + "d" * 64}
    brought = [what.removeprefix("bring ") for what in ladder.roots.did if what.startswith("bring")]
    assert sorted(brought) == sorted([DIGEST, *("sha256:" + letter * 64 for letter in "cd")]), "to other locations"


def test_a_function_that_an_apply_makes_beside_those_promoted_has_its_image(tmp_path, monkeypatch):
    ladder = Ladder(tmp_path, monkeypatch, functions=("mailer", "biller"))
    for name in ("qa", "production"):
        ladder.record(f"env#{name}", "service of last week")
    biller = Current("r1", "1", "sha256:" + "c" * 64, "", "", "")
    ladder.machine.rung.ledger.set_current("staging-biller", biller, was=None)
    infra.prepare(ladder.machine, (), {"mailer": DIGEST}, infra=True, roots=ladder.roots)
    assert ladder.roots.named["production"]["biller"].endswith(biller.digest), "it was added since"


def test_every_root_is_planned_before_the_first_is_applied_and_the_rungs_go_in_order(ladder):
    assert ladder.prepare("qa", "production") == ("qa", "production")
    verbs = [what.partition(" ")[0] for what in ladder.roots.did]
    assert verbs == ["init"] * 3 + ["plan"] * 3 + ["apply", "bring", "apply", "apply"]
    assert ladder.roots.applied == ["production/delivery", "qa/service", "production/service"]
    assert ladder.roots.images["qa"].endswith(f"/hello@{DIGEST}"), "the function is created from the image"
    assert (ladder.infra("production").input_hash, ladder.infra("production").url) == ("service one", "https://url/")
    assert ladder.locks() == []
    assert ladder.prepare() == ()
    assert len(ladder.roots.applied) == 3, "the second time there is nothing to apply"


def test_an_apply_of_a_promotion_that_failed_is_kept_in_the_ledger_of_its_rung(ladder):
    apply = ladder.roots.apply

    def refuse(rung, root, step):
        if rung.environment == "production" and root == "service":
            raise TerraformError("terraform apply of production/service failed: no", hint="see", diagnostics=())
        return apply(rung, root, step)

    ladder.roots.apply = refuse
    with pytest.raises(TerraformError):
        ladder.prepare("qa", "production")
    (entry,) = ladder.machine.at("production").ledger.history("production")
    assert (entry.kind, entry.result, entry.error_kind) == ("promote", "failed", "terraform-failed")
    assert entry.failed_step == "service"
    assert ladder.machine.at("qa").ledger.history("qa") == []


def test_a_lock_file_that_terraform_wrote_is_told(ladder):
    ladder.prepare("qa", "production")
    assert "delivery/.terraform.lock.hcl was written" in ladder.err.getvalue()
    assert "plan production/service" in ladder.err.getvalue(), "also while it is planned"


@pytest.mark.parametrize("root", ["production/delivery", "production/service"])
def test_a_plan_that_destroys_is_refused_before_anything_is_applied(ladder, root):
    ladder.roots.destroyed[root] = ("aws_dynamodb_table.orders (delete)",)
    with pytest.raises(RefusedError, match=rf"nothing was applied.*{root}: aws_dynamodb_table.orders") as refused:
        ladder.prepare("qa", "production")
    _, _, name = root.partition("/")
    assert (
        f"`inv tf.apply --env production --root {name} --allow-destroy aws_dynamodb_table.orders`" in refused.value.hint
    )
    assert f"`inv tf.plan --env production --root {name}" in refused.value.hint
    assert ladder.roots.applied == []
    assert ladder.locks() == []


def test_a_rung_at_which_somebody_is_at_work_stops_it_before_anything_is_planned(ladder):
    with ladder.machine.at("production").locked(None):
        held = ladder.machine._by_target["production"]
        ladder.machine._by_target["production"] = replace(held)
        ladder.machine.rung = ladder.machine._by_target["production"]
        with pytest.raises(LockedError):
            ladder.prepare("qa", "production")
    assert ladder.roots.did == []


@pytest.fixture
def changed(ladder):
    """Production's service was applied from other code than today's."""
    ladder.record("env#qa", "service one")
    ladder.record("env#production", "service of last week")
    ladder.record("root#delivery", "delivery one")
    return ladder


def test_changed_infrastructure_is_told_and_left(changed):
    assert changed.prepare() == ()
    assert changed.roots.did == [f"bring {DIGEST}"]
    assert (
        "production has infrastructure changes that were not applied; `inv promote --infra`" in changed.err.getvalue()
    )
    assert infra.pending(changed.machine, changed.roots) == ("production",)


def test_changed_infrastructure_is_applied_when_it_is_asked_for(changed):
    assert changed.prepare(infra=True) == ("production",)
    assert changed.roots.applied == ["production/service"]
    assert changed.roots.images["production"] is None, "the function is there, and a release owns its image"
    assert infra.pending(changed.machine, changed.roots) == ()


def test_the_lowest_rung_is_deployed_and_never_applied_by_a_promotion(changed):
    changed.record("env#staging", "service of a newer commit")
    with pytest.raises(RefusedError, match="staging was deployed with other infrastructure") as caught:
        changed.prepare(infra=True)
    assert "`inv deploy --env staging`" in caught.value.hint
    assert changed.roots.did == []


def test_a_rung_of_which_the_ledger_knows_no_apply_is_not_called_changed_but_applied_when_asked_for(changed):
    del changed.table.tables[TABLE]["env#production", "infra"]
    assert changed.prepare() == ()
    assert "infrastructure changes" not in changed.err.getvalue()
    assert changed.prepare(infra=True) == ("production",)


def test_a_service_that_is_applied_takes_its_changed_foundation_with_it(changed):
    changed.record("root#foundation", "foundation of last week")
    changed.prepare(infra=True)
    assert changed.roots.applied == ["production/foundation", "production/service"]
    assert changed.machine.rung.ledger.snapshot("staging").foundation.input_hash == "foundation one"


def test_a_job_with_a_role_leaves_a_changed_foundation_to_a_person(changed, monkeypatch):
    monkeypatch.setenv("CI", "true")
    settings = changed.machine.rung.settings
    github = replace(settings.ci.github, repository="acme/hello")
    monkeypatch.setattr(
        changed.machine,
        "rung",
        replace(changed.machine.rung, settings=replace(settings, ci=replace(settings.ci, github=github))),
    )
    changed.record("root#foundation", "foundation of last week")
    changed.prepare(infra=True)
    assert changed.roots.applied == ["production/service"]
    assert "`inv tf.apply --env production --root foundation`" in changed.err.getvalue()


class TestApproval:
    @pytest.fixture
    def guarded(self, tmp_path, monkeypatch):
        return Ladder(tmp_path, monkeypatch, approval=True)

    def test_where_nobody_can_be_asked_it_is_refused_before_anything_is_applied(self, guarded):
        with pytest.raises(RefusedError, match="production needs approval and has no service yet") as refused:
            guarded.prepare("qa", "production")
        assert refused.value.hint.endswith("`inv promote --infra`")
        assert guarded.roots.applied == []

    def test_a_person_is_asked_whichever_function_is_promoted_there_first(self, tmp_path, monkeypatch):
        guarded = Ladder(tmp_path, monkeypatch, approval=True, functions=("mailer",))
        with pytest.raises(RefusedError, match="production needs approval and has no service yet"):
            infra.prepare(guarded.machine, ("production-mailer",), {"mailer": DIGEST}, roots=guarded.roots)
        assert guarded.roots.applied == []

    @pytest.mark.parametrize("answer", [True, False])
    def test_a_person_is_asked_once_all_is_planned(self, guarded, answer, monkeypatch):
        asked = []

        def ask(question):
            asked.append(question)
            assert len([what for what in guarded.roots.did if what.startswith("plan")]) == 3
            return answer

        monkeypatch.setattr(guarded.machine.console, "ask", ask)
        if answer:
            guarded.prepare("qa", "production")
        else:
            with pytest.raises(RefusedError, match="production was not to be created"):
                guarded.prepare("qa", "production")
        assert asked == ["production needs approval and has no service yet: create it (1 to add)?"]
        assert bool(guarded.roots.applied) is answer

    @pytest.mark.parametrize("main", [True, False])
    def test_only_a_rung_without_a_service_is_asked_about(self, tmp_path, monkeypatch, main):
        ladder = Ladder(tmp_path, monkeypatch, approval=True, functions=("new", "old"), main=main)
        ladder.record("env#qa", "service one")
        with pytest.raises(RefusedError, match="production needs approval and has no service yet"):
            infra.prepare(ladder.machine, ("production-new",), {"new": DIGEST}, roots=ladder.roots)
        ladder.record("env#production", "service one")
        infra.prepare(ladder.machine, ("production-new",), {"new": DIGEST}, roots=ladder.roots)
        assert ladder.roots.applied == ["production/delivery", "production/service"]

    def test_the_flag_is_the_answer(self, guarded):
        assert guarded.prepare("qa", "production", infra=True) == ("qa", "production")


def test_a_location_without_a_foundation_gets_it_first_and_what_depends_on_it_later(tmp_path, monkeypatch):
    ladder = Ladder(tmp_path, monkeypatch, elsewhere=True)
    assert ladder.prepare("qa", "production") == ("qa", "production")
    assert ladder.roots.applied == [
        "qa/delivery",
        "production/foundation",
        "production/delivery",
        "qa/service",
        "production/service",
    ]
    assert ladder.roots.did[-3] == f"bring {DIGEST}", "before the services, whose functions are created from it"
    planned = [what.removeprefix("plan ") for what in ladder.roots.did if what.startswith("plan")]
    assert planned == ["qa/delivery", "production/foundation", "qa/service"]
    assert ladder.roots.images["production"].startswith(f"{OTHER}.dkr.ecr."), "from its own registry"
    assert ladder.infra("production").input_hash == "service one"
    assert ladder.locks() == []


def test_what_can_not_be_told_is_not_pending(ladder):
    ladder.table.tables.clear()
    assert infra.pending(ladder.machine, ladder.roots) == ()
