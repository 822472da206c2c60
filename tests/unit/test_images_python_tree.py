"""Several threads parse Python at once, as the checks of several functions' images do."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stepladder.images.context import python_tree

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
