import pytest
from fakes.pipeline import EXECUTION, RELEASE, Context, release, target
from fakes.pipeline_calls import alias, shorten_waits


@pytest.fixture(autouse=True)
def short_waits(pipeline, monkeypatch):
    shorten_waits(pipeline, monkeypatch)


class TestFirstRelease:
    @pytest.fixture(autouse=True)
    def never_released(self, pipeline):
        alias(pipeline)["FunctionVersion"] = "$LATEST"
        pipeline.aws.dynamodb.put("env#production", "lock", run_id=EXECUTION, previous_version="$LATEST")

    def release(self, pipeline):
        event = {
            "action": "release_first",
            "release": release(),
            "target": target(),
            "version": "8",
            "execution_arn": EXECUTION,
        }
        return pipeline.rollback.handler(event, Context())

    def test_the_alias_is_moved_to_the_version_which_the_lock_tells_before(self, pipeline):
        def before():
            assert pipeline.aws.dynamodb.read("env#production", "lock")["version"] == "8"

        pipeline.aws.lambda_.before_update = before
        assert self.release(pipeline) == {"serves": "version 8"}
        assert pipeline.aws.lambda_.moves[0]["FunctionVersion"] == "8"
        assert pipeline.aws.lambda_.before_update is None

    def test_asking_twice_moves_once(self, pipeline):
        self.release(pipeline)
        self.release(pipeline)
        assert len(pipeline.aws.lambda_.moves) == 1

    def test_an_alias_that_serves_anything_else_is_left(self, pipeline):
        alias(pipeline)["FunctionVersion"] = "3"
        with pytest.raises(pipeline.errors.NotServedError, match=r"somebody else moved .* serves version 3"):
            self.release(pipeline)
        assert pipeline.aws.lambda_.moves == []

    def test_an_alias_that_somebody_moves_meanwhile_is_left(self, pipeline):
        def somebody():
            alias(pipeline).update(FunctionVersion="3", RevisionId="r2")

        pipeline.aws.lambda_.before_update = somebody
        with pytest.raises(pipeline.errors.NotServedError, match="serves version 3"):
            self.release(pipeline)

    @pytest.mark.parametrize("holder", ["other", None])
    def test_without_the_lock_nothing_moves(self, pipeline, holder):
        pipeline.aws.dynamodb.items.clear()
        if holder:
            pipeline.aws.dynamodb.put("env#production", "lock", run_id=holder)
        with pytest.raises(pipeline.errors.RefusedError, match="the lock of production was lost"):
            self.release(pipeline)
        assert pipeline.aws.lambda_.moves == []

    def test_a_release_after_the_promotion_was_recovered_is_taken_back(self, pipeline):
        pipeline.aws.lambda_.before_update = pipeline.aws.dynamodb.items.clear
        with pytest.raises(pipeline.errors.RefusedError, match="lost while version 8 got traffic"):
            self.release(pipeline)
        assert alias(pipeline)["FunctionVersion"] == "$LATEST"

    def test_it_is_put_back_to_where_terraform_made_it(self, pipeline):
        self.release(pipeline)
        event = {"action": "restore", "release": release(), "target": target()}
        told = pipeline.rollback.handler(event | {"previous_version": "$LATEST", "version": "8"}, Context())
        assert told["moved"] is True
        assert alias(pipeline)["FunctionVersion"] == "$LATEST"

    def test_putting_it_back_twice_tells_twice_that_it_had_moved(self, pipeline):
        self.release(pipeline)
        event = {"action": "restore", "release": release(), "target": target()}
        for _ in range(2):
            told = pipeline.rollback.handler(event | {"previous_version": "$LATEST", "version": "8"}, Context())
            assert told["moved"] is True
        assert len(pipeline.aws.lambda_.moves) == 2

    def test_putting_back_what_never_moved_tells_so(self, pipeline):
        event = {"action": "restore", "release": release(), "target": target()}
        told = pipeline.rollback.handler(event | {"previous_version": "$LATEST", "version": "8"}, Context())
        assert told["moved"] is False

    def test_of_two_calls_that_put_it_back_at_once_both_tell_that_it_had_moved(self, pipeline, monkeypatch):
        self.release(pipeline)
        pipeline.aws.dynamodb.items["env#production", "lock"]["since"] = {"S": "2026-11-21T23:05:01Z"}
        restore_, inner = pipeline.restore.restore, []

        def overtaken(*told):
            """Let another call do all of it, once this one has read the lock."""
            if not inner:
                inner.append("another")
                inner.append(pipeline.recover.targets(EXECUTION, release(), [target()], "stopped", 0.2))
            return restore_(*told)

        monkeypatch.setattr(pipeline.restore, "restore", overtaken)
        ours = pipeline.recover.targets(EXECUTION, release(), [target()], "stopped", 0.2)
        for told in (ours, inner[1]):
            assert told["settled"][0]["outcome"] == "rolled_back"
        entry = pipeline.aws.dynamodb.read("env#production", f"release#{RELEASE}")
        assert entry["result"] == "rolled_back"

    def test_one_that_is_cut_off_after_the_move_is_put_back_and_told(self, pipeline):
        self.release(pipeline)
        held = pipeline.aws.dynamodb.items["env#production", "lock"]
        held["since"] = {"S": "2026-11-21T23:05:01Z"}
        told = pipeline.recover.targets(EXECUTION, release(), [target()], "it was stopped", 0.2)
        assert told["settled"][0]["outcome"] == "rolled_back"
        assert alias(pipeline)["FunctionVersion"] == "$LATEST"
        entry = pipeline.aws.dynamodb.read("env#production", f"release#{RELEASE}")
        assert (entry["version"], entry["result"]) == ("8", "rolled_back")
        assert "previous_version" not in entry, "there was no release before"
