import pytest
from fakes.pipeline import EXECUTION, refusal
from fakes.pipeline_calls import configure_validate, lock, validate


@pytest.fixture(autouse=True)
def environment(pipeline, monkeypatch, tmp_path):
    configure_validate(pipeline, monkeypatch, tmp_path)


def unscanned(aws):
    aws.ecr.scan = refusal("ScanNotFoundException")


def test_a_scan_under_way_is_asked_for_again_and_keeps_the_lock(pipeline):
    pipeline.aws.ecr.scan["imageScanStatus"]["status"] = "IN_PROGRESS"
    with pytest.raises(pipeline.errors.ScanPendingError):
        validate(pipeline)
    assert lock(pipeline)["run_id"] == EXECUTION


@pytest.mark.parametrize("status", ["COMPLETE", "ACTIVE"])
@pytest.mark.parametrize("findings", [None, {}, {"findings": []}], ids=["none", "empty", "a list without counts"])
def test_a_scan_without_results_is_waited_for_whatever_its_status_says(pipeline, status, findings):
    pipeline.aws.ecr.scan = {"imageScanStatus": {"status": status}}
    if findings is not None:
        pipeline.aws.ecr.scan["imageScanFindings"] = findings
    with pytest.raises(pipeline.errors.ScanPendingError, match="no results"):
        validate(pipeline)


@pytest.mark.parametrize(
    "findings", [{"imageScanCompletedAt": "today"}, {"findingSeverityCounts": {}}], ids=["completed", "counts"]
)
def test_a_scan_with_results_and_no_findings_passes(pipeline, findings):
    pipeline.aws.ecr.scan = {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": findings}
    assert validate(pipeline)["unchanged"] is False


def test_a_scan_that_has_not_begun_is_waited_for_and_then_named(pipeline):
    unscanned(pipeline.aws)
    with pytest.raises(pipeline.errors.ScanPendingError, match="was never scanned; set promotion"):
        validate(pipeline)


def test_without_a_threshold_no_scan_is_asked_for(pipeline, monkeypatch):
    monkeypatch.setenv("SCAN_THRESHOLD", "OFF")
    unscanned(pipeline.aws)
    assert validate(pipeline)["unchanged"] is False


def test_findings_below_the_threshold_pass(pipeline):
    pipeline.aws.ecr.scan["imageScanFindings"] = {"findingSeverityCounts": {"MEDIUM": 4}}
    assert validate(pipeline)["unchanged"] is False
