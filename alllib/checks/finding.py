"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """Value that a check computed, and what it says of the claim.

    Attributes
    ----------
    value : number, str, list or None
        What was computed; None where nothing could be.
    note : str
        What a reader should know of it.
    reason : str
        Why nothing can be known, and what would have to be run. Where it is given, the
        claim's status is `cannot be known`.
    agrees : bool, optional
        The check's own verdict, for claims with `compare = "itself"` or `"reproduced"`.
    """

    value: Any
    note: str = ""
    reason: str = ""
    agrees: bool | None = None
