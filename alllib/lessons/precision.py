"""Double precision in Keras, whatever its backend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module

from ..backend import load_keras

__all__ = ["double_precision"]


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Let JAX compute in double precision, which it cuts to single unless it is told; the other
    backends need no telling. A context manager, and a decorator.
    """
    if load_keras().backend.backend() != "jax":
        yield
        return
    jax = import_module("jax")
    place = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
    with place.enable_x64(True):
        yield
