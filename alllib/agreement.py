"""When two results count as the same: a written rule, and the seed deviation that it needs.

The rule (`same_result`) compares a published share with ours. Both are estimates: of few
subjects, and of one seed each. The tolerance is the root of the sum of three squares:

* half of our own 95 % interval by subject group, on the side of the published value;
* half of the binomial 95 % interval (Wilson) of the published value on its scored images,
  because no source gives an interval: the least that it can be, since images of one subject
  are not independent;
* what another seed would change: sqrt(2) times the deviation between seeds, once for each of
  the two runs, times the 97.5 % quantile of Student's t that belongs to the number of seeds
  (close to 2 where they are many).

If the two values have independent errors of about normal shape and the same expectation, the
difference stays within the tolerance 95 times in 100. Where both were scored on the very same
images, who was scored plays no part, and the third square stands alone (`same_images`).
A tolerance that would call the very results the same whose difference is to be explained
says nothing, therefore a widest one. With as few subject groups as C-NMC has, the first square
alone is wider: on other images a result can be contradicted there and hardly confirmed.

A system that was not repeated with several seeds takes the widest deviation of those that were,
and the reason of a verdict says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal

import numpy as np
from scipy import stats

from .errors import DataError
from .evaluation import Estimate
from .studies import read_study

__all__ = [
    "WIDEST",
    "Spread",
    "Verdict",
    "kept_spread",
    "same_result",
    "same_rounded",
    "seed_spread",
    "wilson",
]

# Widest tolerance of a verdict "same", as a share. Less than what the split by image adds to the
# forest on real images (study `baselines`): that difference must stay visible.
WIDEST = 0.025


@dataclass(frozen=True)
class Spread:
    """How far results of the same run with other seeds lie apart.

    Attributes
    ----------
    deviation : float
        Standard deviation between seeds, with `seeds - 1` degrees of freedom.
    low, high : float
        95 % interval of the deviation.
    seeds : int
    mean : float
    origin : str
        Of which run, where it was kept with the study.
    """

    deviation: float
    low: float
    high: float
    seeds: int
    mean: float
    origin: str = field(default="", compare=False)

    @property
    def half(self) -> float:
        """Half width that it adds to a tolerance: sqrt(2) t s, see the module."""
        return math.sqrt(2) * float(stats.t.ppf(0.975, self.seeds - 1)) * self.deviation

    def as_dict(self) -> dict:
        """Plain dictionary, without an empty `origin`."""
        return {name: value for name, value in asdict(self).items() if value != ""}


@dataclass(frozen=True)
class Verdict:
    """Answer of the rule.

    Attributes
    ----------
    verdict : {"same", "different", "cannot tell"}
    difference : float
        Ours less the published value.
    tolerance : float or None
        Largest difference that counts as none; None where a piece of it is not known.
    parts : dict of str to float or None
        `ours`, `published`, `seeds`: the three half widths.
    reason : str
        The same in a sentence.
    """

    verdict: str
    difference: float
    tolerance: float | None
    parts: dict[str, float | None] = field(default_factory=dict)
    reason: str = ""

    def as_dict(self) -> dict:
        """Plain dictionary."""
        return asdict(self)


def wilson(hits: float, images: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share.

    Parameters
    ----------
    hits : float
        Number of successes, from 0 to `images`.
    images : int
        Number of trials.
    level : float

    Returns
    -------
    tuple of float
        Lower and upper limit.

    Raises
    ------
    DataError
        When there is no trial, or more successes than trials.

    Notes
    -----
    Source: doi 10.1080/01621459.1927.10502953.
    """
    if images < 1 or not 0 <= hits <= images:
        raise DataError(
            f"{hits} of {images} is no share.", remedy="Give at least one image, and hits of them."
        )
    z = float(stats.norm.ppf((1 + level) / 2))
    share = hits / images
    middle = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    half /= 1 + z**2 / images
    return max(0.0, middle - half), min(1.0, middle + half)


def seed_spread(values: Iterable[float]) -> Spread:
    """Standard deviation of a metric over seeds, with its own 95 % interval.

    Parameters
    ----------
    values : iterable of float
        The metric of each seed, on the same images.

    Returns
    -------
    Spread

    Raises
    ------
    DataError
        When there are fewer than two seeds, or a value is no finite number.

    Notes
    -----
    The interval is that of a normal sample (chi-squared): with three seeds its upper limit is
    six times the deviation, with ten not quite twice.
    """
    found = np.asarray([float(value) for value in values])
    if len(found) < 2 or not np.isfinite(found).all():
        raise DataError(
            f"{len(found)} results give no deviation between seeds.",
            remedy="Repeat the run with at least two seeds; three to ten are better.",
        )
    free, deviation = len(found) - 1, float(found.std(ddof=1))
    high, low = (
        deviation * math.sqrt(free / q) for q in stats.chi2.ppf([0.025, 0.975], free).tolist()
    )
    return Spread(deviation, low, high, len(found), float(found.mean()))


def kept_spread(dataset: str = "cnmc2019", system: str = "") -> Spread | None:
    """Deviation of the accuracy between seeds that was measured for the study.

    Parameters
    ----------
    dataset : str
    system : str
        A system of the study `seeds`; when not given, the one with the widest part in the
        tolerance of `same_result`.

    Returns
    -------
    Spread or None
        None where nothing was kept. Its `origin` names the system and its scale, because it
        also serves for systems that were not repeated.
    """
    study = read_study("seeds", dataset)
    if study is None:
        return None
    rows = [row for row in study.found["rows"] if system in ("", row["system"])]
    spreads = [Spread(**row["spread"] | {"origin": _origin(row)}) for row in rows]
    return max(spreads, key=_seed_half, default=None)


def _origin(row: Mapping) -> str:
    told = [row.get("title", row["system"]), row.get("scale"), f"{row['spread']['seeds']} seeds"]
    return ", ".join(filter(None, told))


def same_result(
    published: float,
    ours: Estimate | Mapping,
    *,
    images: int | None,
    spread: Spread | float | None = None,
    differences: Sequence[str] = (),
    same_images: bool = False,
    widest: float = WIDEST,
) -> Verdict:
    """Whether our result counts as the published one, by the rule of this module.

    Parameters
    ----------
    published : float
        Between 0 and 1.
    ours : Estimate or mapping
        `value`, `low`, `high` of the same metric, between 0 and 1; of an accuracy best from
        `coverage.accuracy_interval`.
    images : int, optional
        How many images the published value was scored on; None where it is not said.
    spread : Spread or float, optional
        Deviation between seeds, see `seed_spread` and `kept_spread`; a number counts as one
        of many seeds.
    differences : sequence of str
        What was done otherwise than published (data, split, input, epochs, pictures, initial
        weights). With any, nothing is confirmed and nothing contradicted.
    same_images : bool
        Both values are of the very same images: only the seeds tell them apart.
    widest : float
        Widest tolerance of a verdict `same`; a difference within a wider one is `cannot tell`.

    Returns
    -------
    Verdict
        `different` beyond the tolerance, `same` within it. `cannot tell` also where there is no
        interval of ours, no number of scored images or no deviation between seeds.

    Raises
    ------
    DataError
        When the published value is no share, or ours has no value.
    """
    given = asdict(ours) if isinstance(ours, Estimate) else dict(ours)
    if not 0 <= published <= 1 or given.get("value") is None:
        raise DataError(
            f"{published!r} and {given.get('value')!r} cannot be compared.",
            remedy="Give two shares between 0 and 1 (93.02 % is 0.9302).",
        )
    difference = given["value"] - published
    parts = {
        "ours": 0.0 if same_images else _own_half(given, difference),
        "published": 0.0 if same_images else _published_half(published, images),
        "seeds": _seed_half(spread),
    }
    known = [half for half in parts.values() if half is not None]
    tolerance = math.sqrt(sum(half**2 for half in known)) if len(known) == 3 else None
    verdict, reason = _judge(difference, tolerance, parts, tuple(differences), widest)
    origin = spread.origin if isinstance(spread, Spread) else ""
    if origin and tolerance is not None and not differences:
        reason += f" The deviation between seeds is that of another run ({origin})."
    return Verdict(verdict, difference, tolerance, parts, reason)


def _own_half(given: Mapping, difference: float) -> float | None:
    """Half width of our interval on the side of the published value."""
    limit = given.get("low") if difference > 0 else given.get("high")
    return None if limit is None else abs(given["value"] - limit)


def _published_half(published: float, images: int | None) -> float | None:
    if images is None:
        return None
    low, high = wilson(published * images, images)
    return (high - low) / 2


def _seed_half(spread: Spread | float | None) -> float | None:
    if spread is None:
        return None
    if isinstance(spread, Spread):
        return spread.half
    return math.sqrt(2) * 2 * float(spread)


def _judge(
    difference: float,
    tolerance: float | None,
    parts: Mapping[str, float | None],
    differences: tuple[str, ...],
    widest: float,
) -> tuple[str, str]:
    """Verdict and the sentence that gives its reason."""
    if differences:
        return "cannot tell", f"Done otherwise than published: {'; '.join(differences)}."
    apart = f"{abs(difference):.3f} apart"
    if tolerance is None:
        lacking = ", ".join(name for name, half in parts.items() if half is None)
        return "cannot tell", f"{apart}, but a half width is not known ({lacking})."
    if abs(difference) > tolerance:
        return "different", f"{apart}, more than the tolerance of {tolerance:.3f}."
    if tolerance > widest:
        return "cannot tell", (
            f"{apart}, within a tolerance of {tolerance:.3f}, which is wider than {widest:.3f}: "
            "too wide to say that two results are the same."
        )
    return "same", f"{apart}, within the tolerance of {tolerance:.3f}."


def same_rounded(published: float | str, value: float, *, digits: int | None = None) -> bool:
    """Whether a computed number agrees with a printed one in all its printed digits.

    Parameters
    ----------
    published : float or str
        As printed; a text keeps zeros at the end.
    value : float
        Ours.
    digits : int, optional
        Decimals of the printed number; read from it when not given.

    Returns
    -------
    bool
        True within half a unit of the last digit: what was cut and what was rounded half up
        or half even cannot be told apart by one number, so both ends count.
    """
    if digits is None:
        digits = max(0, -Decimal(str(published)).as_tuple().exponent)
    return abs(float(published) - value) <= 0.5 * 10**-digits * (1 + 1e-9)
