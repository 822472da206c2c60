"""Every task takes `--help`, `-e` and `--dry` as a person means them, and a slip is answered with what there is."""

from __future__ import annotations

import os
import signal

import invoke
import pytest
import yaml
from invoke.parser import Parser

from stepladder.collections import namespace, project, usage
from stepladder.collections.program import Program, configure, explain_usage
from stepladder.core import errors

TASKS = """
from stepladder.collections import namespace, project, usage

ns = namespace()
ns.add_task(project.check)
ns.add_task(project.test)
ns.add_task(project.lock)
"""
PLACE = {"account": "111122223333", "region": "eu-west-1"}
SETTINGS = {"stepladder": {"project": "hello", "environments": {"staging": PLACE, "production": PLACE}}}
DELIBERATE = {
    "diagnose": ["release"],
    "report": ["release"],
    "open": ["what"],
    "explain": ["kind"],
    "local.iam": ["mode"],
    "local.speed": ["value"],
    "promote.audit": ["name"],
} | {name: ["name"] for name in ("secrets.set", "secrets.rotate")}
"""What is taken by position on purpose: a slip there harms nothing."""


def _root():
    root = namespace()
    for each in (project.check, project.test, project.lock):
        root.add_task(each)
    return root


ROOT = _root()
CONTEXTS = {context.name: context for context in ROOT.to_contexts()}
READS = {name for name in CONTEXTS if ROOT[name].reads_only}
"""The tasks that change nothing: Invoke's own --dry has nothing to hold back there."""
WITH_ENVIRONMENT = sorted(name for name, context in CONTEXTS.items() if "--env" in context.flag_names())
NEED_ONE = [name for name in WITH_ENVIRONMENT if CONTEXTS[name].args["env"].default is None] + ["function.invoke"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("project")
    (made / "tasks.py").write_text(TASKS)
    (made / "invoke.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False))
    return made


@pytest.fixture
def inv(folder, monkeypatch, capsys):
    """Run `inv` with these arguments in this process: exit code, standard output, standard error."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "INVOKE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens: nothing can be changed
    monkeypatch.chdir(folder)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments):
        code = 0
        try:
            Program(binary="inv").run(["inv", *arguments])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code or 0, said.out, said.err

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("name", CONTEXTS)
def test_help_behind_a_task_s_name_shows_its_help(inv, name):
    code, out, _ = inv(name, "--help")
    assert code == 0
    assert f"Usage: inv [--core-opts] {name}" in out
    for flag in CONTEXTS[name].flag_names():
        if not flag.startswith("--no-"):
            assert flag in out


@pytest.mark.parametrize("name", CONTEXTS)
def test_nothing_is_taken_by_position_that_isn_t_meant_to_be(name):
    assert [argument.name for argument in CONTEXTS[name].positional_args] == DELIBERATE.get(name, [])


@pytest.mark.parametrize("flag", ["-e", "--env"])
@pytest.mark.parametrize("name", WITH_ENVIRONMENT)
def test_an_environment_may_be_given_by_either_flag(inv, name, flag):
    code, _, err = inv(name, flag, "stagin")
    assert code == 2
    assert "error: there is no environment 'stagin'" in err
    assert "did you mean `staging`? known environments: staging, production" in err


@pytest.mark.parametrize("name", NEED_ONE)
def test_a_task_that_needs_an_environment_lists_them(inv, name):
    code, _, err = inv(name)
    assert code == 2
    assert "needs --env, the environment it is for" in err
    assert "there are staging, production: for example `inv " in err
    assert " --env staging`" in err


@pytest.mark.parametrize("name", [name for name in WITH_ENVIRONMENT if name not in DELIBERATE])
def test_an_environment_is_never_taken_by_position(inv, name):
    code, _, err = inv(name, "production")
    assert code == 2
    assert "takes nothing by position" in err
    assert " --env production`" in err


@pytest.mark.parametrize("flag", ["--dry", "-R"])
@pytest.mark.parametrize("name", sorted(set(CONTEXTS) - READS))
def test_invoke_s_own_dry_is_refused_by_every_task_that_changes_something(inv, name, flag):
    environment = ["--env", "staging"] if name in WITH_ENVIRONMENT else []
    for arguments in ([flag, name, *environment], [name, *environment, flag]):
        code, _, err = inv(*arguments)
        assert code == 2
        assert "error: Invoke's --dry holds nothing back that `inv " in err
        assert ("--dry-run`" in err) == ("--dry-run" in CONTEXTS[name].flag_names())


def test_what_is_said_to_only_read_is_nothing_that_changes_something():
    assert {"ledger.show", "local.status", "promote.watch", "status.show", "tf.output"} <= READS
    changing = {"deploy", "rollback", "new", "lock", "image.prune", "image.push", "function.release", "function.invoke"}
    changing |= {"promote.promote", "promote.stop", "tf.apply", "tf.plan", "tf.unlock", "ledger.rebuild", "local.up"}
    assert READS.isdisjoint(changing & set(CONTEXTS))


def test_a_task_that_only_reads_runs_under_dry(inv):
    code, _, err = inv("--dry", "status")
    assert code == 6
    assert "the local cloud doesn't answer" in err


@pytest.mark.parametrize(
    ("typed", "wrong", "hint"),
    [
        ("deplyo", "there is no task 'deplyo'", "did you mean `inv deploy`?"),
        ("--help deplyo", "there is no task 'deplyo'", "did you mean `inv deploy`?"),
        ("tf.aply -e staging", "there is no task 'tf.aply'", "did you mean `inv tf.apply`?"),
        ("tf aply", "`inv tf` takes nothing by position", "did you mean `inv tf.apply`?"),
        ("qqq", "there is no task 'qqq'", "`inv --list` lists the tasks"),
        ("local.speed 60 qqq", "`inv local.speed` takes nothing more by position", "`inv --list` lists the tasks"),
        ("deploy stauts", "there is no task 'stauts'", "did you mean `inv status`?"),
        ("-e deploy prodution", "there is no task 'prodution'", "`inv deploy --env production`"),
        ("deploy qqq", "there is no task 'qqq'", "there are staging, production"),
        ("deploy --enviroment x", "`inv deploy` has no flag --enviroment", "did you mean `--env`?"),
        ("deploy --qqq", "`inv deploy` has no flag --qqq", "`inv deploy --help` lists its flags"),
        ("deploy --no-lock", "`inv deploy` has no flag --no-lock", "`inv tf` has it"),
        ("deploy -e staging --allow-destroy", "--allow-destroy of `inv deploy` needs a value", "`inv deploy --help`"),
        ("deploy --env", "`inv deploy` needs --env", "there are staging, production"),
        ("rollback -e staging --to", "--to of `inv rollback` needs a value", "`inv rollback --help`"),
        ("ledger -e staging --limit many", "--limit is 'many'; allowed: a number", ""),
        ("local.up --port=many", "--port is 'many'; allowed: a number", ""),
        ("unlock", "`inv unlock` needs --env", "there are staging, production"),
        ("--qqq deploy", "Invoke has no flag --qqq", "`inv --help`"),
    ],
)
def test_a_slip_is_answered_with_what_there_is(inv, typed, wrong, hint):
    code, out, err = inv(*typed.split())
    assert code == 2
    assert f"error: {wrong}" in err or f", and {wrong}" in err
    assert hint in err
    assert out == ""


def test_an_error_ends_with_the_command_that_explains_its_kind(inv):
    code, _, err = inv("status")
    assert (code, "[local-cloud-down]" in err) == (6, True)
    command = err.splitlines()[-1].removeprefix("help: `").removesuffix("`")
    assert command == "inv explain local-cloud-down"
    code, out, _ = inv(*command.split()[1:])
    assert code == 0
    assert "The local cloud doesn't answer." in out


@pytest.mark.parametrize(
    ("args", "kwargs", "typed"),
    [
        ((), {}, "inv deploy"),
        (("staging",), {"force": True}, "inv deploy --env staging --force"),
        ((), {"env": "staging", "smoke": False, "infra": "never"}, "inv deploy --env staging --infra never --no-smoke"),
        ((), {"env": "staging", "why": "it's late"}, """inv deploy --env staging --why 'it'"'"'s late'"""),
    ],
)
def test_a_command_that_met_an_error_can_be_typed_again(args, kwargs, typed):
    def body(_context, env, force=False, infra="", smoke=True, why=""):
        """Stand for a task."""

    again = usage.typed(body, "inv deploy", args, kwargs)
    assert again == typed
    assert usage.with_command("run the same command again", again) == f"run `{typed}` again"


def test_the_hint_to_run_a_command_again_holds_that_command(inv, monkeypatch):
    def fail(*_arguments, **_options):
        raise errors.StepladderError("Lambda is slow", kind="lambda-slow", hint="run the same command again")

    monkeypatch.setattr("stepladder.commands.status.show", fail)
    _, out, err = inv("status", "--env", "staging", "--json")
    assert "hint: run `inv status --env staging --json` again" in err
    assert yaml.safe_load(out)["hint"] == "run `inv status --env staging --json` again"


def test_a_mistyped_command_line_needs_no_explanation(inv):
    _, _, err = inv("deplyo")
    assert "inv explain" not in err


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("local-clod-down", "did you mean `inv explain local-cloud-down`?"), ("qqq", "`inv explain` lists the kinds")],
)
def test_an_unknown_kind_of_error_is_answered_with_what_there_is(inv, typed, hint):
    code, out, err = inv("explain", typed)
    assert (code, out) == (2, "")
    assert f"error: there is no kind of error {typed!r}" in err
    assert hint in err


def test_a_slip_is_json_where_json_was_asked_for(inv):
    code, out, _ = inv("deploy", "--env", "staging", "--json", "--frce")
    assert code == 2
    assert yaml.safe_load(out) == {
        "error": "`inv deploy` has no flag --frce",
        "error_kind": "bad-arguments",
        "exit_code": 2,
        "hint": "did you mean `--force`?",
        "problems": [],
    }


def test_the_program_that_people_start_is_the_one_that_explains():
    from invoke.main import program

    explain_usage()
    assert type(program) is Program
    own = invoke.Program()
    assert type(own) is invoke.Program


def test_what_a_project_configures_itself_stays_and_the_rest_has_defaults():
    own = invoke.Collection()
    own.configure({"stepladder": {"infra": "never"}, "run": {"echo": True}})
    configure(own)
    settings = own.configuration()["stepladder"]
    assert settings["infra"] == "never"
    assert settings["image"]["builder"] == "auto"
    assert own.configuration()["run"] == {"echo": True}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("deploy --env staging --dry-run", ["deploy"]),
        ("deploy --env staging image.build", ["deploy", "build"]),
        ("--help status", ["show"]),
        ("smoke --env deploy", ["deploy", "smoke"]),
    ],
)
def test_a_command_reads_the_flags_of_the_tasks_that_were_typed(typed, read, monkeypatch):
    program = Program(namespace=namespace())
    program.create_config()
    program.parse_core(["inv", *typed.split()])
    program.parse_collection()
    names = []
    arguments = invoke.Task.get_arguments
    monkeypatch.setattr(
        invoke.Task, "get_arguments", lambda task, *given: names.append(task.name) or arguments(task, *given)
    )
    program.parse_tasks()
    assert sorted(names) == sorted(read)


def test_completion_knows_the_flags_of_every_task(capsys):
    with pytest.raises(SystemExit):
        Program(namespace=namespace()).run(["inv", "--complete", "--", "inv", "deploy", "--dry"])
    assert "--dry-run" in capsys.readouterr().out.split()


def test_a_task_called_by_another_task_may_be_given_its_environment_by_position(folder, monkeypatch):
    from stepladder.collections.deploy import deploy

    monkeypatch.chdir(folder)
    with pytest.raises(invoke.Exit) as ended:
        deploy(invoke.Context(invoke.Config({"stepladder": SETTINGS["stepladder"]})), "nowhere")
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arcitecture": "arm64"}, "stepladder.arcitecture is not a setting; did you mean `architecture`?"),
        ({"function": {"memory": 512}}, "stepladder.function.memory is not a setting; did you mean `memory_mb`?"),
        ({"rungs": ["stagin"]}, "stepladder.rungs is 'stagin'; allowed: one of staging, production; did you mean"),
        (
            {"trigger": "scedule"},
            "stepladder.trigger is 'scedule'; allowed: url, url-iam, sqs, schedule, none; did you",
        ),
    ],
)
def test_a_slip_in_the_settings_is_answered_with_what_was_meant(inv, folder, change, said):
    (folder / "invoke.yaml").write_text(
        yaml.safe_dump({"stepladder": {**SETTINGS["stepladder"], **change}}, sort_keys=False)
    )
    try:
        code, _, err = inv("status")
    finally:
        (folder / "invoke.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False))
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("tf.plan -e staging --root servce", "did you mean `service`? roots: foundation, service, delivery"),
        *(
            (
                f"{command} --function mian",
                "did you mean `main`? functions: main; they are declared under `stepladder.f",
            )
            for command in ("logs -e staging", "smoke -e staging", "secrets -e staging", "function.invoke -e staging")
        ),
        *(
            (f"{command} --function mian", "there is no function 'mian' [unknown-function]")
            for command in ("serve", "test", "unlock -e staging", "function.invoke --local", "secrets.set A -e staging")
        ),
        ("deploy -e staging --plan revewed", "did you mean `reviewed`? allowed: auto, reviewed, new"),
        ("new --no-input --trigger scedule", "s3, none; did you mean `schedule`?"),
        ("new --no-input --answers a.yaml", "- projct_name is not an answer; did you mean `project_name`? allowed: "),
    ],
)
def test_a_slip_in_a_value_is_answered_with_what_was_meant(inv, folder, typed, said):
    (folder / "a.yaml").write_text("projct_name: x\n")
    code, _, err = inv(*typed.split())
    assert code == 2
    assert said in err


def test_a_slip_in_a_variable_is_answered_with_what_was_meant(inv, monkeypatch):
    monkeypatch.setenv("INVOKE_STEPLADDER_FUNCTION_MEMORY", "512")
    code, _, err = inv("status")
    assert code == 2
    assert "no setting has that name; did you mean `INVOKE_STEPLADDER_FUNCTION_MEMORY_MB`?" in err


def test_a_variable_that_invoke_takes_for_true_is_no_false(inv, monkeypatch):
    monkeypatch.setenv("INVOKE_STEPLADDER_MAIN", "false")
    code, _, err = inv("status")
    assert code == 2
    assert "INVOKE_STEPLADDER_MAIN is 'false', which Invoke takes for true; allowed: 1 or 0" in err


def test_tasks_without_a_project_say_that_there_is_none(inv, folder):
    (folder / "invoke.yaml").rename(folder / "away")
    try:
        code, _, err = inv("deploy", "--env", "staging")
    finally:
        (folder / "away").rename(folder / "invoke.yaml")
    assert code == 2
    assert f"error: there is no project in {folder}: it has no invoke.yaml" in err
    assert "make one: `inv new`" in err


@pytest.mark.parametrize(
    ("typed", "allowed"),
    [
        ("", []),
        ("--allow-destroy", [True]),
        ("--allow-destroy --json", [True]),
        ("--allow-destroy a.b --json", ["a.b"]),
        ("--allow-destroy a.b --allow-destroy c.d", ["a.b", "c.d"]),
        ("--allow-destroy=a.b,c.d", ["a.b,c.d"]),
    ],
)
def test_allow_destroy_takes_names_and_in_its_old_spelling_none(typed, allowed):
    (context,) = Parser(contexts=namespace().to_contexts()).parse_argv(["tf.apply", "-e", "staging", *typed.split()])
    assert context.args["allow-destroy"].value == allowed
