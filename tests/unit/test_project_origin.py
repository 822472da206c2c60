"""What a project was made from, and a project and a stepladder of different versions that meet."""

import io
import json
import shutil
from types import SimpleNamespace

import pytest
from fakes.deploy_harness import DeployHarness

from stepladder import __version__
from stepladder.core import project_origin, resources
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.doctor import modules as doctor_modules
from stepladder.promotion import definition_age
from stepladder.releases import project_version
from stepladder.settings.load import from_context

MODULES = resources.folder("terraform") / "modules"
OWN = project_origin.MODULES


@pytest.fixture
def project(tmp_path):
    """A project whose modules are this version's."""
    shutil.copytree(MODULES, tmp_path / OWN, ignore=shutil.ignore_patterns(".terraform*"))
    recorded(tmp_path)
    return tmp_path


def recorded(project, **changes):
    folder = project / OWN
    record = {
        "commit": None,
        "version": __version__,
        "sha256": project_origin.tree_hash(folder),
        "files": project_origin.file_hashes(folder),
    }
    record = {key: value for key, value in (record | changes).items() if value is not ...}
    (folder / ".origin.json").write_text(json.dumps(record))


def edit(project, name="service/alarms.tf", text="# mine\n"):
    with (project / OWN / name).open("a") as file:
        file.write(text)


def compared(project):
    return project_origin.modules(project, MODULES)


def test_modules_as_they_were_made_are_neither_edited_nor_outdated(project):
    assert compared(project) == project_origin.ModulesOrigin(version=__version__)


def test_an_edited_a_new_and_a_deleted_file_are_named(project):
    edit(project)
    edit(project, "service/mine.tf")
    (project / OWN / "delivery/machine.tf").unlink()

    assert compared(project).edited == ("delivery/machine.tf", "service/alarms.tf", "service/mine.tf")
    assert not compared(project).outdated, "the version that made them is this one"


def test_a_checkout_with_windows_line_ends_is_not_edited(project):
    for path in (project / OWN).rglob("*.tf"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert compared(project).edited == ()
    edit(project)
    assert compared(project).edited == ("service/alarms.tf",)


def test_what_terraform_leaves_in_a_module_is_no_edit(project):
    for name in (".terraform/x", "service/.terraform.lock.hcl", "service/terraform.tfstate", "service/a.tfplan"):
        path = project / OWN / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")

    assert compared(project).edited == ()


def test_a_record_of_the_first_version_tells_that_something_was_edited(project):
    recorded(project, version=..., files=...)
    edit(project)

    assert compared(project) == project_origin.ModulesOrigin(("*",), outdated=False, version="0.1.0")


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"sha256": 1}'])
def test_modules_without_a_record_are_said_to_be_unknown(project, content):
    path = project / OWN / ".origin.json"
    path.unlink() if content is None else path.write_text(content)

    assert compared(project).missing


def test_versions_are_sorted_as_their_releases():
    in_order = ["0.1.0", "0.2.0.dev1", "0.2.0a1", "0.2.0rc1", "0.2.0", "0.2.1", "0.10.0", "1.0"]

    assert sorted({*in_order}, key=project_origin.order) == in_order
    assert project_origin.order("1.0") == project_origin.order("v1.0.0")


def findings(project):
    return [(each.level, each.problem, each.fix) for each in doctor_modules.edited_or_outdated(_context(project))]


def _context(project):
    return SimpleNamespace(root=project)


def test_the_doctor_finds_edited_modules_by_name_and_outdated_ones_by_their_version(project):
    assert findings(project) == []
    edit(project)
    ((level, problem, _),) = findings(project)
    assert (level, "service/alarms.tf" in problem) == ("note", True)
    recorded(project, version="0.0.1")
    ((level, problem, fix),) = findings(project)
    assert (level, fix) == ("warning", "`inv project.upgrade`")
    assert f"0.0.1, and {__version__} runs" in problem
    recorded(project, version="99.0.0")
    assert findings(project)[0][2].endswith("`uv sync`")
    (project / OWN / ".origin.json").unlink()
    assert ".origin.json is missing" in findings(project)[0][1]


def test_a_deployment_says_once_that_the_modules_are_older(project):
    edit(project)
    recorded(project, version="0.0.1")
    console = Console(err=io.StringIO(), out=io.StringIO(), live=False)
    settings = DeployHarness(project).settings
    for _ in range(2):
        project_version.check(settings, console)

    assert console._err.getvalue().count("`inv project.upgrade`") == 1


def test_a_deployment_by_an_older_stepladder_than_the_projects_is_refused(project):
    recorded(project, version="99.0.0")

    with pytest.raises(RefusedError, match=f"99.0.0, and {__version__} runs") as refused:
        project_version.check(DeployHarness(project).settings, Console(err=io.StringIO()))
    assert "`uv sync`" in refused.value.hint


def test_half_an_upgrade_is_neither_deployed_nor_fine_for_the_doctor(project):
    journal = project / project_origin.UPGRADE / project_origin.JOURNAL
    journal.parent.mkdir(parents=True)
    journal.write_text('{"files": [{}]}')

    with pytest.raises(RefusedError, match="cut off") as refused:
        project_version.check(DeployHarness(project).settings, Console(err=io.StringIO()))
    assert "`inv project.upgrade`" in refused.value.hint
    assert findings(project)[0][0] == "error"


def test_terraform_that_is_in_conflict_with_an_upgrade_is_neither_deployed_nor_fine_for_the_doctor(project):
    """What the new version moved into that file would be gone from both, and be destroyed."""
    path = project / project_origin.FILE
    record = json.loads(path.read_text()) if path.exists() else {}
    settings, console = DeployHarness(project).settings, Console(err=io.StringIO())
    for paths in ([".github/workflows/ladder.yml"], ["terraform/modules/service/alarms.tf", "invoke.yaml"]):
        path.write_text(json.dumps({**record, "unresolved": {"paths": paths}}))
        assert any(paths[0] in finding[1] for finding in findings(project) if finding[0] == "error")
        if paths[0].startswith("terraform/"):
            with pytest.raises(RefusedError, match=r"alarms\.tf") as refused:
                project_version.check(settings, console)
            assert "`inv project.upgrade --resolved terraform/modules/service/alarms.tf`" in refused.value.hint
        else:
            project_version.check(settings, console)


def test_settings_that_only_a_newer_stepladder_knows_say_so(tmp_path):
    (tmp_path / "invoke.yaml").write_text("stepladder:\n  project: a\n")
    config = SimpleNamespace(_project_prefix=str(tmp_path), get=lambda *_: {"project": "a", "later": 1})
    context = SimpleNamespace(config=config)
    with pytest.raises(BadInputError) as before:
        from_context(context)
    (tmp_path / ".cruft.json").write_text('{"version": "99.0.0"}')
    with pytest.raises(BadInputError) as after:
        from_context(context)

    assert "uv sync" not in before.value.hint
    assert after.value.hint == f"the project is of stepladder 99.0.0, and {__version__} runs: `uv sync`"


@pytest.mark.parametrize("part", definition_age.NEEDED_FOR)
def test_a_promotion_that_needs_more_than_the_projects_state_machine_knows_is_refused(project, part):
    given = {"rungs": [{"targets": [{"environment": "production", part: {}}]}]}
    definition_age.check(project, given)
    path = project / OWN / definition_age.FILE
    path.write_text(path.read_text().replace(f"$.target.{part}", "$.target.other"))

    with pytest.raises(BadInputError) as caught:
        definition_age.check(project, given)
    assert caught.value.kind == "old-modules"
    assert "`inv project.upgrade`" in caught.value.hint
    definition_age.check(project, {"rungs": [{"targets": [{"environment": "production"}]}]})


def test_a_project_without_modules_of_its_own_is_not_compared(tmp_path):
    definition_age.check(tmp_path, {"rungs": [{"targets": [{"shift": {}}]}]})
    assert findings(tmp_path) == []
