"""Two ways to the same end, taken in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

__all__ = ["measure", "measure_times"]


def measure(
    ours: Callable[[], object],
    peer: Callable[[], object],
    amount: float,
    *,
    unit: str,
    rounds: int = 5,
    peer_amount: float | None = None,
    warm: bool = False,
    before: Callable[[], object] | None = None,
) -> dict:
    """Rates of two ways, taken in turns; the ratio is that of the medians.

    Parameters
    ----------
    ours, peer : callable
        The two ways; each call does the whole of its work.
    amount : float
        What one call of `ours` gives, in the unit of the rate (images, say).
    unit : str
        Of the rates, like `images/s`.
    rounds : int
        Calls of each way that are timed.
    peer_amount : float, optional
        What one call of `peer` gives, where that is not `amount`.
    warm : bool
        Call both once before the first round, untimed: compilation, caches of the disk.
    before : callable, optional
        Called before each call, untimed.

    Returns
    -------
    dict
        `value` (ratio ours to peer), `ours`, `peer` (rates), `unit`.
    """
    amounts = {"ours": amount, "peer": amount if peer_amount is None else peer_amount}
    times = measure_times({"ours": ours, "peer": peer}, rounds=rounds, warm=warm, before=before)
    rates = {name: amounts[name] / statistics.median(taken) for name, taken in times.items()}
    return {"value": rates["ours"] / rates["peer"], **rates, "unit": unit}


def measure_times(
    ways: dict[str, Callable[[], object]],
    *,
    rounds: int = 5,
    warm: bool = False,
    before: Callable[[], object] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each call of several ways, taken in turns; see `measure`.

    Returns
    -------
    dict of str to list of float
        `rounds` times for each way.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1 if warm else 0, rounds):
        for name, way in ways.items():
            if before is not None:
                before()
            started = time.perf_counter()
            way()
            if number >= 0:
                times[name].append(time.perf_counter() - started)
    return times
