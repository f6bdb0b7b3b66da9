"""Energy that a piece of work takes, where the machine counts it.

Processors count in the kernel's `powercap` folder (RAPL), in microjoules that start again from
0 at a largest value; NVIDIA GPUs in the library `pynvml`, in millijoules since the driver was
loaded. A virtual machine usually offers neither, and reading may need rights that only an
administrator has: then there is no figure, rather than an estimate from a data sheet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

__all__ = ["EnergyMeter", "read_counters"]

POWERCAP = Path("/sys/class/powercap")
EVERY = 20.0  # seconds; a processor's counter may start again after some minutes


def read_counters(folder: Path = POWERCAP) -> dict[str, tuple[float, float | None]]:
    """Counters of this machine: joules, and the value at which each starts again, if any.

    Parameters
    ----------
    folder : pathlib.Path
        The kernel's `powercap` folder.

    Returns
    -------
    dict
        Empty where nothing is counted or may be read.
    """
    found: dict[str, tuple[float, float | None]] = {}
    # Whole packages only (`intel-rapl:0`): their parts (`intel-rapl:0:1`) are counted in them.
    for zone in sorted(folder.glob("*-rapl:*")):
        if zone.name.count(":") == 1:
            try:
                joules = int((zone / "energy_uj").read_text()) / 1e6
                largest = int((zone / "max_energy_range_uj").read_text()) / 1e6
            except (OSError, ValueError):
                continue
            found[f"processor {zone.name.partition(':')[2]}"] = (joules, largest)
    return found | _read_gpus()


def _read_gpus() -> dict[str, tuple[float, None]]:
    try:
        import pynvml
    except ImportError:
        return {}
    found = {}
    try:
        pynvml.nvmlInit()
        for number in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(number)
            joules = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
            found[f"GPU {number}"] = (joules, None)
    except pynvml.NVMLError:
        return {}
    return found


class EnergyMeter:
    """Adds up what the counters of the machine say, from its start to `stop`.

    All work on the machine is counted, not that of this process alone.

    Parameters
    ----------
    read : callable
        Gives the counters, as `read_counters`.
    every : float
        Seconds between two readings.
    """

    def __init__(self, read: Callable[[], dict] = read_counters, *, every: float = EVERY):
        self._read, self._every = read, every
        self._last = read()
        self._joules = dict.fromkeys(self._last, 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if self._last:
            self._thread.start()

    def stop(self) -> dict | None:
        """Joules by counter since the start.

        Returns
        -------
        dict or None
            `joules` (the sum) and `counters` (by name); None where nothing is counted.
        """
        if not self._joules:
            return None
        self._ended.set()
        self._thread.join()
        self._add()
        counters = {name: round(value, 1) for name, value in self._joules.items()}
        return {"joules": round(sum(self._joules.values()), 1), "counters": counters}

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            self._add()

    def _add(self) -> None:
        for name, (value, largest) in self._read().items():
            if name in self._last:
                gone = value - self._last[name][0]
                self._joules[name] += gone if gone >= 0 or largest is None else gone + largest
                self._last[name] = (value, largest)
