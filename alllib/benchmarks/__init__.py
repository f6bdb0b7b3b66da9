"""Speed figures, each a ratio of two ways to the same end, measured in one run.

Absolute times of a shared machine say little; two ways taken in turns meet the same noise.
`registry` says what is measured and what it should reach, `machines` keeps the figures.
"""

from __future__ import annotations

from collections.abc import Iterable

from .registry import BENCHMARKS, Benchmark, find_benchmarks
from .runner import run_benchmarks
from .timing import measure

__all__ = ["BENCHMARKS", "Benchmark", "find_benchmarks", "measure", "run_benchmarks",
           "run_gpu_benchmarks"]  # fmt: skip


def run_gpu_benchmarks(recipes: Iterable[str] | None = None, **settings) -> dict[str, dict]:
    """See `gpu.run_gpu_benchmarks`; Keras is loaded by the call, not by the import."""
    from .gpu import run_gpu_benchmarks

    return run_gpu_benchmarks(recipes, **settings)
