"""Many images on all cores: in order, errors come through, nobody works on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial

import psutil
import pytest

from alllib.errors import DataError
from alllib.parallel import map_images

NUMBERS = list(range(200))


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_results_come_in_order(workers):
    found = list(map_images(partial(pow, 2), NUMBERS, title="powers", workers=workers))
    assert found == [2**number for number in NUMBERS]
    assert list(map_images(abs, [], title="none")) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_function_is_raised_here(workers):
    with pytest.raises(ZeroDivisionError):
        list(map_images(partial(divmod, 1), NUMBERS, title="division", workers=workers))


def test_killed_worker_is_one_clear_error():
    with pytest.raises(DataError, match="worker process was killed") as caught:
        list(map_images(os._exit, [1] * 100, title="leaving", workers=2))
    assert "leaving" in str(caught.value) and "same command again" in caught.value.remedy
    assert list(map_images(abs, NUMBERS, title="again", workers=2)) == NUMBERS


PARENT = """
import time
from alllib.parallel import map_images
list(map_images(time.sleep, [0.02] * 10_000, title="sleeping", workers=2))
"""


@pytest.mark.slow
def test_workers_leave_when_their_parent_is_killed():
    process = subprocess.Popen([sys.executable, "-c", PARENT], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    workers = []
    while len(workers) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
        children = psutil.Process(process.pid).children()
        workers = [child for child in children if "loky" in " ".join(child.cmdline())]
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert len(workers) >= 2 and not alive
