"""Several threads parse Python at once, as `inv check` does: it reads the handlers of images, and the smoke cases."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stepladder.core import python_tree
from stepladder.releases import smoke_check

SOURCE = b"def handler(event, context):\n    return {'statusCode': 200, 'x': [1, 2, {3: (4,)}]}\n" * 30


class Switching:
    """Garbage whose end lets another thread run, amid whatever made the collector start."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        time.sleep(0)


@pytest.fixture
def often_collected():
    before = gc.get_threshold()
    gc.set_threshold(50, 1000, 1000)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("often_collected")
def test_threads_that_parse_at_once_dont_disturb_each_other():
    def parsed(_number: int) -> int:
        Switching()
        return len(python_tree.parse(SOURCE).body)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(parsed, range(400))) == {30}


@pytest.mark.usefixtures("often_collected")
def test_the_checks_of_smoke_cases_are_read_beside_handlers():
    def read(number: int) -> str:
        Switching()
        if number % 2:
            return str(len(python_tree.parse(SOURCE).body))
        found = smoke_check.find("checks.py:handler", {"checks.py": SOURCE.decode()})
        return found if isinstance(found, str) else found.name

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, range(400))) == {"30", "checks.py:handler"}
