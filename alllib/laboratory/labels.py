"""Labels joined by the place in a list, while the two lists stand in different orders."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..downloads import official_files
from ..layouts import subject_groups
from ..splits import require_subjects
from .effects import Effect, measure_effect, rate_accuracy
from .scene import Scene, describe_repeats

__all__ = ["join_by_listing", "listing_order", "measure_official_order", "official_labels"]

NUMBERINGS = 10


def listing_order(count: int) -> np.ndarray:
    """Places (from 0) of files `1.bmp`, `2.bmp`, ... in the order that a folder lists them.

    A listing compares names letter by letter: 1, 10, 100, 1000, 1001, ...

    Returns
    -------
    numpy.ndarray
        Shape (count,), int64.
    """
    names = [f"{number}.bmp" for number in range(1, count + 1)]
    return np.array(sorted(range(count), key=names.__getitem__))


def official_labels() -> pd.DataFrame:
    """Images of the preliminary test phase in the order of their numbers.

    Returns
    -------
    pandas.DataFrame
        `image` (original name), `label`, `group`, and `joined`: the label that the image gets
        where files in listing order are paired with rows in the order of the numbers.
    """
    files = official_files().query("phase == 'test_prelim'")
    number = files.path.str.extract(r"(\d+)\.bmp$", expand=False).astype(int)
    files = files.assign(number=number).sort_values("number")
    merged = subject_groups()
    table = pd.DataFrame(
        {
            "image": files.original_name.str.removesuffix(".bmp").to_numpy(str),
            "label": files["class"].str.upper().to_numpy(str),
            "group": [merged.get(name, name) for name in files.subject],
        }
    )
    joined = np.empty(len(table), object)
    joined[listing_order(len(table))] = table.label.to_numpy()
    return table.assign(joined=joined.astype(str))


def measure_official_order() -> Effect:
    """What a perfect classifier scores on the official phase once labels are so joined.

    Source: the public code of `unnithan2021poster`; the official label file.
    """
    table = official_labels()
    agree = table.label == table.joined
    table = table.assign(repeat=0, honest=1.0, mistaken=agree.astype(float))
    table.attrs["dataset"] = "cnmc2019"
    return measure_effect(
        "label_order", table, rate_accuracy, system="perfect classifier, official label file",
        one_sided=True,
        note="No image is needed. For this list the figure is exact; the interval is of lists of "
        "other such subjects. A classifier that is always wrong would score the rest.",
    )  # fmt: skip


def join_by_listing(scene: Scene) -> list[Effect]:
    """The official order, and a real classifier whose labels are joined in the same way.

    The scene's images are numbered at random, as the organisers numbered theirs, several
    times; predictions are those of the forest for subjects that it has not seen.
    """
    require_subjects(scene.cells)
    count = len(scene.cells)
    called = scene.forest["apart"][0].argmax(axis=1)
    order, columns = listing_order(count), []
    for numbering in range(NUMBERINGS):
        numbered = np.random.default_rng(numbering).permutation(count)  # row of each number
        joined = np.empty(count, int)
        joined[numbered[order]] = scene.target[numbered]
        columns.append({"honest": called == scene.target, "mistaken": called == joined})
    return [
        measure_official_order(),
        measure_effect(
            "label_order", describe_repeats(scene, columns), rate_accuracy, draw_repeats=True,
            system="forest on 19 numbers",
            note="The same images and predictions. Folds by subject group; repeats are random "
            "numberings of the images.",
        ),
    ]  # fmt: skip
