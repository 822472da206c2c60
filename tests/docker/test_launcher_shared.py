"""The local cloud's own cases of invocations and images, run over containers: the same code, other fixtures."""

from __future__ import annotations

from typing import Any

import pytest
from test_lambda_images import (  # noqa: F401 - collected here
    test_a_published_version_freezes_its_image,
    test_an_image_function_runs_what_was_pushed,
    test_the_command_can_be_overridden_and_a_version_freezes_it,
    test_the_images_own_variables_are_there_and_the_functions_win,
)
from test_lambda_invoke import (  # noqa: F401 - collected here
    test_a_crash_of_the_process_is_an_exit_error_and_the_next_call_works,
    test_a_failing_init_is_reported_with_lambdas_error_type,
    test_a_function_over_its_memory_is_killed,
    test_a_handler_gets_its_event_and_a_context,
    test_a_json_log_has_platform_events,
    test_a_killed_process_names_the_signal,
    test_a_timeout_ends_the_environment_and_says_so,
    test_a_warm_environment_is_reused_and_an_update_retires_it,
    test_an_answer_over_six_megabytes_is_refused,
    test_invocations_and_errors_are_measured_per_function_alias_and_version,
    test_invocations_at_once_get_an_environment_each,
    test_the_log_has_lambdas_own_lines_around_the_functions,
    test_what_a_handler_raises_comes_back_with_its_type_and_trace,
)


@pytest.fixture(scope="module")
def repository(functions: Any) -> str:
    return str(functions.repository())


@pytest.fixture
def streams_keep_their_order() -> bool:
    """An engine carries the two streams apart, in no order."""
    return False
