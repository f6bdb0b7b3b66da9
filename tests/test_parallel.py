"""Many images on all cores: in order, errors come through, nobody works on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import psutil
import pytest

from alllib import parallel
from alllib.errors import DataError
from alllib.parallel import map_images

NUMBERS = list(range(200))


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("workers", [None, 1, 3])
def test_results_come_in_order(workers, threads):
    options = {"title": "powers", "workers": workers, "threads": threads}
    found = list(map_images(partial(pow, 2), NUMBERS, **options))
    assert found == [2**number for number in NUMBERS]
    for few in range(6):
        assert list(map_images(abs, NUMBERS[:few], **options)) == NUMBERS[:few]


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_function_is_raised_here(workers, threads):
    options = {"title": "division", "workers": workers, "threads": threads}
    with pytest.raises(ZeroDivisionError):
        list(map_images(partial(divmod, 1), NUMBERS, **options))


def test_threads_work_at_the_same_time():
    together = threading.Barrier(4, timeout=30)
    assert len(list(map_images(lambda _: together.wait(), [0] * 8, title="t", workers=4,
                               threads=True))) == 8  # fmt: skip


@pytest.mark.parametrize("ending", ["error", "interrupt", "left"])
def test_threads_end_soon_and_before_the_caller_goes_on(ending):
    seen: list[int] = []

    def slow(number: int) -> int:
        seen.append(number)
        time.sleep(0.01)
        if number == 5 and ending == "error":
            raise ZeroDivisionError
        return number

    before = threading.active_count()
    results = map_images(slow, range(1000), title="slow", workers=3, threads=True)
    if ending == "error":
        with pytest.raises(ZeroDivisionError):
            list(results)
    elif ending == "interrupt":
        timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(results)
        timer.join()
    else:
        assert next(results) == 0
        results.close()
    assert threading.active_count() == before and 0 < len(seen) < 200
    done = len(seen)
    time.sleep(0.05)
    assert len(seen) == done


def test_bar_counts_what_was_done_before(monkeypatch):
    said = {}
    monkeypatch.setattr(parallel, "tqdm", lambda items, **options: said.update(options) or items)
    list(map_images(abs, NUMBERS, title="going on", threads=True, done=300))
    assert (said["initial"], said["total"], said["desc"]) == (300, 500, "going on")


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
    process.wait(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=60)  # a busy machine takes its time
    assert len(workers) >= 2 and not alive
