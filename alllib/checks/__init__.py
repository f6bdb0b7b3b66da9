"""What claims are checked by: one module per subject, one function per check.

A claim of `claims.toml` names its check as `module:function` below this package. Only what a
module lists in its `__all__` can be named.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

from ..errors import ClaimError, suggest
from .finding import Finding

__all__ = ["Finding", "bind_check", "find_check"]


def find_check(place: str, *, where: str) -> Callable[..., Any]:
    """The function that `module:function` names.

    Parameters
    ----------
    place : str
        Like `counts:official_images`.
    where : str
        The claim that names it, for messages.

    Raises
    ------
    ClaimError
        When there is no such check; the nearest name is suggested.
    """
    name, _, function = place.partition(":")
    known = [entry.name for entry in pkgutil.iter_modules(__path__) if entry.name != "finding"]
    if name not in known:
        raise ClaimError(
            f"There is no module of checks {name!r}.", where=where, remedy=suggest(name, known)
        )
    module = importlib.import_module(f"{__name__}.{name}")
    if function not in module.__all__:
        raise ClaimError(
            f"There is no check {place!r}.", where=where, remedy=suggest(function, module.__all__)
        )
    return getattr(module, function)


def bind_check(
    place: str, arguments: dict[str, Any], published: Any, *, where: str
) -> Callable[[], Any]:
    """The check with its arguments, ready to be called.

    A check that has a parameter `published` is given the published value.

    Raises
    ------
    ClaimError
        When there is no such check, or it does not take these arguments.
    """
    check = find_check(place, where=where)
    named = dict(arguments)
    if "published" in inspect.signature(check).parameters:
        if "published" in named:
            raise ClaimError(
                "The published value is given twice.",
                where=where, remedy="Leave it out of `with`: the check is given the claim's own.",
            )  # fmt: skip
        named["published"] = published
    try:
        inspect.signature(check).bind(**named)
    except TypeError as error:
        raise ClaimError(
            f"Check {place!r} cannot be called like this: {error}.",
            where=where, remedy="Compare `with` with the parameters of the function.",
        ) from error  # fmt: skip
    return lambda: check(**named)
