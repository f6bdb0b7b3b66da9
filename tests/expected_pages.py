"""What the chapters made from records have to print, computed anew from the files of `results/`."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from page_numbers import Expected, Listed, Said
from raw_results import (
    POSITIVE,
    Gap,
    Kept,
    Together,
    Trained,
    accuracy_of,
    area_gap_between,
    area_of,
    by_fold,
    by_seed,
    classes_of,
    gap_between,
    image_means,
    other_splits,
    read_kept,
    read_recipes,
    read_runs,
    right,
    shares_of,
    shown,
)
from scipy.optimize import minimize_scalar

CLOSE = 5e-5  # by how much an area may differ that is told to three digits
DATA = ("cnmc2019", "ball2021")
SPLITS = {
    "image": "by image",
    "field": "by field of view",
    "subject": "by subject name",
    "group": "by subject group",
    "folds": "by official folds",
    "blocks": "by blocks of numbers",
}
HONEST = {"cnmc2019": "group", "ball2021": "blocks"}


def start(runs: Sequence[Trained]) -> Expected:
    """Nothing yet but names: of systems, data sets, devices and kinds of numbers."""
    recipes = read_recipes()
    names = {recipe["title"] for recipe in recipes.values()} | set(recipes) | set(DATA)
    names |= {one.run["recipe_text"]["title"] for one in runs} | {"weighted F1", "C-NMC 2019"}
    return Expected(names=names | {one.run["device"]["device"] for one in runs})


# ---- results -----------------------------------------------------------------------------


def expect_results(results: Path) -> Expected:
    runs, recipes = read_runs(results), read_recipes()
    page, rows, whole = start(runs), shown(runs), by_fold(runs)
    kept = {name: read_kept(results, name) for name in DATA}
    page.tables["What the sources report."] = [
        {
            "system": recipe["title"],
            "source": recipe["source"],
            "published accuracy": [recipe["published"]["accuracy"]],
            "scored part": recipe["published"]["scored"],
            "split": recipe["data"]["published_protocol"],
        }
        for recipe in recipes.values()
    ]
    outcomes = [_outcome(row, recipes, kept) for row in rows]
    if rows:
        page.tables["Recorded results on the real images."] = outcomes
        page.tables["Scale, device, date and commit of the recorded results."] = [
            _scale(row) for row in rows
        ]
    if whole:
        page.tables["Recorded cross-validations."] = [_outcome(r, recipes, kept) for r in whole]
    plain = [_plain(study, row) for study in filter(None, kept.values()) for row in study.rows()]
    page.tables["Classifiers without a network, all kept draws."] = plain
    page.said += _say_results(rows, runs, kept) if rows else []
    return page


def _published(row: Together, recipes: dict) -> float | None:
    recipe = recipes.get(row.run["recipe"])
    if recipe is None or recipe["data"]["dataset"] != row.run["dataset"]:
        return None
    printed = recipe["published"]
    if row.on_source and (row.run["scored"], printed["scored"]) == ("validation", "test"):
        return printed["val_accuracy"]
    return printed["accuracy"]


def _forest(row: Together, kept: dict[str, Kept | None]) -> tuple[list[float], bool] | None:
    """Accuracy of the forest on the same split, or on other draws by its protocol."""
    beside = row.runs[0].beside if len(row.folds) < 2 else []
    for one in beside:
        if one["classifier"] == "forest" and one["certificate"] == row.certificate:
            found = one.get("by_groups", one["metrics"]["accuracy"])
            limits = [found["value"], found["low"], found["high"]]
            confusion = np.array(one["confusion"])
            assert math.isclose(limits[0], np.trace(confusion) / confusion.sum())
            return [value for value in limits if value is not None], True
    study = kept[row.run["dataset"]]
    rows = study.rows(classifier="forest", protocol=row.run["protocol"]) if study else []
    same = [one for one in rows if one["certificate"] == row.certificate]
    chosen = same or [one for one in rows if one["scheme"] == "pooled"]
    if not chosen:
        return None
    return accuracy_of([study.table(chosen[0])]), bool(same)


def _split(row: Together) -> str:
    name = SPLITS[row.run["protocol"]]
    if row.on_source:
        return f"{name}, as in the source"
    if len(row.folds) > 1 and row.run["protocol"] == "folds":
        return f"{name}, {' and '.join(map(str, row.folds))} in turn"
    return f"{name}, all folds" if len(row.folds) > 1 else name


def _outcome(row: Together, recipes: dict, kept: dict) -> dict:
    published, forest = _published(row, recipes), _forest(row, kept)
    cells = {
        "system": row.title,
        "data": row.run["dataset"],
        "split": _split(row),
        "published": "" if published is None else [published],
        "our accuracy": row.accuracy,
        "our AUC": row.auroc,
        "without a CNN": "not measured" if forest is None else forest[0],
        "scored on": [len(row.tables[0])],
    }
    return cells | {"verdict": _verdict(row, published)}


def _verdict(row: Together, published: float | None) -> str | Sequence:
    """Words that say where a number lies; those of runs at the source's scale are not made anew."""
    if published is None:
        return "nothing published"
    recipe = row.run["recipe_text"]
    asked = recipe["images"]["input"], recipe["architecture"]["weights"], True
    done = row.run["parameters"]["input_size"], row.run["weights"], row.on_source
    if asked == done:
        return []  # a word without a number
    if row.flat:
        return "one answer only"
    if len(row.accuracy) == 1 or row.accuracy[2] - row.accuracy[1] > 0.4:
        return "cannot tell"
    if published > row.accuracy[2]:
        return "published above"
    return "published below" if published < row.accuracy[1] else "published within"


def _measured(device: str, finished: str, commit: str) -> str:
    return f"{device}, {finished[:10]}, {commit[:7]}"


def _scale(row: Together) -> dict:
    run = row.run
    frozen = ", backbone frozen" if run["backbone"] == "frozen" else ""
    return {
        "system": row.title,
        "data": run["dataset"],
        "split": _split(row),
        "seeds": [len(row.seeds)],
        "input": [run["parameters"]["input_size"]],
        "epochs": [max(len(one.history) for one in row.runs)],
        "pretrained": ("no" if run["weights"] == "none" else "yes") + frozen,
        "trained on": [row.trained],
        "measured": _measured(run["device"]["device"], row.finished, run["commit"]),
    }


def _plain(study: Kept, row: dict) -> dict:
    table, dataset = study.table(row), study.study["dataset"]
    scheme = "as in the source" if row["scheme"] == "published" else "all folds"
    # Drawing thousands of images again takes long; a slow test holds these against the tables.
    auroc = [value for value in row["metrics"]["auroc"].values() if value is not None]
    # Probabilities are kept with fewer digits than they were scored with.
    assert math.isclose(auroc[0], area_of([table], POSITIVE[dataset]), abs_tol=CLOSE)
    return {
        "system": row["title"],
        "data": dataset,
        "split": f"{SPLITS[row['protocol']]}, {scheme}",
        "our accuracy": accuracy_of([table]),
        "our AUC": auroc,
        "scored on": [len(table)],
        "trained on": [row["images"]],
    }


def _say_results(rows: list[Together], runs: list[Trained], kept: dict) -> list:
    own = [row for row in rows if row.on_source]
    recipes, named = read_recipes(), {row.run["recipe"] for row in rows}
    systems, several = len(named & set(recipes)), len(recipes)
    forests = [(row.accuracy[0], _forest(row, kept)) for row in rows]
    beside = [(ours, found[0][0]) for ours, found in forests if found and found[1]]
    better = sum(ours > plain for ours, plain in beside)
    inputs = [row.run["parameters"]["input_size"] for row in rows]
    epochs = [max(len(one.history) for one in row.runs) for row in rows]
    wanted = {r.title for r in rows if r.run["recipe_text"]["architecture"]["weights"] != "none"}
    known = [row.tables[0] for row in rows if row.tables[0].group.notna().all()]
    counts = [table.groupby(table.label.astype(str)).group.nunique() for table in known]
    people = [n for label in ("ALL", "HEM") for n in span_of([c[label] for c in counts])]
    held: dict[str, int] = {}
    for row in rows:
        images = sum(row.run["images"].values())
        held[row.run["dataset"]] = max(images, held.get(row.run["dataset"], 0))
    start = sum(row.run["weights"] != "none" for row in rows)
    limits = [*span_of(inputs), *span_of(epochs), start, len(rows), len(wanted)]
    first = [len(runs), len(rows), systems, several, len(own), len(rows) - len(own)]
    told = [(f"{row.title} by {row.run['protocol']}:", row.accuracy) for row in rows]
    return [
        Said("runs on real images", first),
        Said("have a forest on the same split", [len(beside), better]),
        Said(
            "Limits, in plain words",
            [*limits, *people, *(held[name] for name in sorted(held))],
        ),
        Listed("", told),
    ]


# ---- the effect of the split -------------------------------------------------------------


def gaps_of(runs: Sequence[Trained]) -> list[tuple]:
    """Each system on its source's split and on another: what is shown of it, the gap on the test
    part and on the validation part too, the trainings there, and the gaps of the area."""
    found = []
    for first in shown(runs):
        if not first.on_source:
            continue
        for protocol, others in other_splits(first, runs).items():
            whole = by_fold([one for other in others for one in other.runs])
            best = max(others, key=lambda one: (len(one.seeds), len(one.tables[0])))
            trained = [one for other in others for one in other.runs]
            tables = [one.predictions for one in trained]
            wider = [
                pd.concat([one.predictions, pd.read_parquet(one.folder / "validation.parquet")])
                if one.run["scored"] != "validation"
                else one.predictions
                for one in trained
            ]
            gap, more = (gap_between(first.tables, t) for t in (tables, wider))
            areas = [area_gap_between(list(first.tables), t) for t in (tables, wider)]
            shown_other = whole[0] if whole else best
            found.append((first, protocol, shown_other, gap, more, trained, areas))
    return found


def _small(p: float) -> str | list[float]:
    return [p] if p >= 0.001 else "below 0.001"


def _size(gap: Gap) -> list[int]:
    return [gap.images, *([] if gap.groups is None else [gap.groups])]


def _gap_row(
    first: Together,
    protocol: str,
    other: Together,
    gap: Gap,
    more: Gap,
    trained: list,
    areas: list,
) -> dict:
    return {
        "system": first.title,
        "data": first.run["dataset"],
        "its split": first.accuracy,
        "other split": other.accuracy,
        "gap, test images": gap.points,
        "p": _small(gap.p),
        "images": [gap.images],
        "groups": "not known" if gap.groups is None else [gap.groups],
        "gap of the AUC": areas[0],
        "gap, validation images too": more.points,
        "of the AUC too": areas[1],
        "images and groups": _size(more),
        "trained on": [first.trained, other.trained],
        "trainings": [len(first.runs), len(trained)],
    }


def forest_row(study: Kept) -> tuple[dict, str]:
    dataset, honest = study.study["dataset"], HONEST[study.study["dataset"]]
    kinds = ("image", honest)
    rows = [study.rows(classifier="forest", scheme="pooled", protocol=name)[0] for name in kinds]
    tables = [study.table(row) for row in rows]
    gap = gap_between(tables[:1], tables[1:])
    row = {
        "system": rows[0]["title"],
        "data": dataset,
        "its split": accuracy_of(tables[:1]),
        "other split": accuracy_of(tables[1:]),
        "gap, test images": gap.points,
        "p": _small(gap.p),
        "images": [gap.images],
        "groups": "not known" if gap.groups is None else [gap.groups],
        "gap of the AUC": "",
        "gap, validation images too": "",
        "of the AUC too": "",
        "images and groups": "",
        "trained on": [row["images"] for row in rows],
        "trainings": [study.study["settings"]["folds"]] * 2,
    }
    return row, rows[0]["title"].split(",")[0]


def expect_split_effect(results: Path) -> Expected:
    runs = read_runs(results)
    page, found = start(runs), gaps_of(runs)
    main = [one for one in found if one[1] != "folds"]
    official = [_gap_row(*one) for one in found if one[1] == "folds"]
    forests = [forest_row(study) for name in DATA if (study := read_kept(results, name))]
    rows = [_gap_row(*one) for one in main] + [row for row, _ in forests]
    page.tables[
        "Accuracy on the source's split less that on the honest one, in points, on the same images."
        if main
        else "There are no recorded runs here; of the forest, all folds are kept."
    ] = rows
    if official:
        caption = "The source's split against the organisers' folds, on the same images."
        page.tables[caption] = official
    told = [(f"{r['system']}, {r['data']}:", r["gap, test images"]) for r in rows]
    page.said = [Said("with 95 % intervals", [95]), Listed("", told)]
    for row, title in forests:
        page.said.append(
            Said(f"forest on {title} ({row['data']})", [
                *row["its split"], *row["other split"], *row["gap, test images"],
                *row["images"], *(row["p"] if isinstance(row["p"], list) else [0.001]),
            ])
        )  # fmt: skip
    if main:
        page.said += _say_gaps(main)
    return page


def _say_gaps(main: list) -> list[Said]:
    more = [100 * (first.trained / other.trained - 1) for first, _, other, *_ in main]
    firsts = [first.run for first, *_ in main]
    epochs = [run["epochs"] for run in firsts]
    inputs = [run["parameters"]["input_size"] for run in firsts]
    start = sum(run["weights"] != "none" for run in firsts)
    said = []
    for name, place in (("test part", 3), ("test and validation part", 4)):
        limits = [one[place].points for one in main]
        clear = sum(len(one) == 3 and one[1] > 0 for one in limits)
        less = sum(len(one) == 3 and one[2] < 0 for one in limits)
        numbers = [clear, len(main), less, len(main) - clear - less]
        said.append(Said(f"images of the {name}:", numbers))
    spans = [*span_of(more, 0), *span_of(epochs), *span_of(inputs)]
    largest = max(main, key=lambda one: one[0].accuracy[0] - one[2].accuracy[0])
    apart = 100 * (largest[0].accuracy[0] - largest[2].accuracy[0])
    trained = [each.run for one in main for each in (*one[0].runs, *one[5])]
    dates = sorted({run["finished"][:10] for run in trained})
    commits = sorted({run["commit"][:7] for run in trained})
    dates = dates if len(dates) == 1 else [dates[0], dates[-1]]
    for first, *_, others, _ in main:
        swing = max(map(_swing, (*first.runs, *others)))
        if swing > 0.1:
            said.append(Said("keeps its last epoch", [100 * swing]))
    return [
        *said,
        Said("Recorded on the real images", [*dates, *commits]),
        Said("per cent more images", [*spans, start, len(main)]),
        Said("Why the same images matter", [apart, largest[3].points[0]]),
    ]


def _swing(one: Trained) -> float:
    late = one.history["val_accuracy"].to_numpy()[len(one.history) // 2 :]
    last = one.run["recipe_text"]["training"]["checkpoint"] == "last"
    return max(late) - min(late) if last else 0.0


def span_of(values: Sequence[float], digits: int = 6) -> list[float]:
    """Least and largest, or one number where they are printed alike."""
    if not values:
        return []
    least, most = min(values), max(values)
    return [least] if round(least, digits) == round(most, digits) else [least, most]


def expect_verdict(results: Path, least: int) -> Expected:
    """The column and the sentences on gaps; the rest of that page is of other records."""
    recipes, found = read_recipes(), {}
    runs = read_runs(results)
    page = start(runs)
    for name in HEADLINES:
        own = [r for r in runs if r.run["recipe"] == name and r.run["epochs"] >= least]
        honest = recipes[name]["data"]["honest_protocol"]
        gaps = [one for one in gaps_of(own) if one[1] == honest]
        found[name] = gaps[0] if gaps else None
    title = {name: recipes[name]["title"] for name in HEADLINES}

    def scale(one: tuple) -> list:
        run, trainings = one[0].run, [len(one[0].runs), len(one[5])]
        return [run["parameters"]["input_size"], run["epochs"], *trainings, one[3].images]

    column = "its split adds, same images"
    page.tables[column] = [
        {"system": title[name], column: [*one[3].points, *scale(one)] if one else "not measured"}
        for name, one in found.items()
    ]
    own = found.pop("mir2019-proposed")
    if own:
        numbers = [*scale(own), *own[3].points, max(own[3].p, 0.001), own[3].groups]
        page.said.append(Said("At a smaller scale that was done", numbers))
    told = [
        (f"{title[name]}:", [*one[3].points, *scale(one)]) for name, one in found.items() if one
    ]
    page.said.append(Listed("The same of the other works' networks", told))
    return page


HEADLINES = ("unnithan2021-2x2", "mir2019-proposed", "garg2021-vgg19", "ball2023-densenet201")


# ---- behaviour ---------------------------------------------------------------------------


def beside(runs: Sequence[Trained], dataset: str, protocol: str) -> list[Together]:
    """Sources' systems on the split of this protocol that most of them share, by recipe."""
    here = [
        one
        for one in by_seed(runs)
        if one.run["recipe"] in read_recipes()
        and (one.run["dataset"], one.run["protocol"]) == (dataset, protocol)
    ]
    count = Counter(cert for cert, _ in {(one.certificate, one.run["recipe"]) for one in here})
    if not count:
        return []
    chosen = min(count, key=lambda name: (-count[name], name))
    best: dict[str, Together] = {}
    for one in here:
        known = best.get(one.run["recipe"])
        rank = len(one.seeds), one.finished
        if one.certificate == chosen and (
            known is None or rank > (len(known.seeds), known.finished)
        ):
            best[one.run["recipe"]] = one
    return [best[name] for name in sorted(best)]


def expect_behaviour(results: Path, dataset: str, protocol: str) -> Expected:
    runs = read_runs(results)
    page, systems = start(runs), beside(runs, dataset, protocol)
    if not systems:
        return page
    study = read_kept(results, dataset)
    forests = study.rows(classifier="forest", scheme="pooled", protocol=protocol) if study else []
    tables = {one.title: list(one.tables) for one in systems}
    if forests:
        page.names.add(forests[0]["title"])
        tables[forests[0]["title"]] = [study.table(forests[0])]
    rights = _rights(tables)
    flat = {one.title for one in systems if one.flat}
    varied = [name for name in tables if name not in flat]
    page.said += [_say_systems(systems), _say_curves(runs, systems), _say_recalls(systems)]
    if systems[0].tables[0].group.notna().all():
        page.said += _say_groups(rights, list(tables), varied)
    page.said += _expect_calibration(page, systems)
    page.said += _say_errors(rights, varied)
    return page


def _rights(tables: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """`group`, `label` and a column for each system, of the images that all scored."""
    means = {title: image_means(found).set_index("image") for title, found in tables.items()}
    first = next(iter(means.values()))[["group", "label"]]
    columns = {title: found.right for title, found in means.items()}
    return first.join(pd.DataFrame(columns).dropna(), how="inner")


def _say_systems(systems: list[Together]) -> Said:
    values: list = [len(systems), len(systems[0].tables[0])]
    for one in systems:
        values += [len(one.seeds), one.run["epochs"], one.run["parameters"]["input_size"]]
        values += [one.finished[:10], one.run["commit"][:7]]
    start = sum(one.run["weights"] != "none" for one in systems)
    return Said("systems were scored on the same", [*values, start, len(systems)])


def _say_curves(runs: Sequence[Trained], systems: list[Together]) -> Listed:
    sources = {one.run["recipe"]: one for one in shown(runs) if one.on_source}
    found = {}
    for one in systems:
        pair = {"honest split": one, "split of the source": sources.get(one.run["recipe"])}
        for name, some in pair.items():
            if some is not None:
                last = some.runs[0].history.sort_values("epoch").iloc[-1]
                found[f"{one.title}, {name}:"] = [last.accuracy, last.val_accuracy]
    return Listed("After the last epoch", list(found.items()))


def _say_recalls(systems: list[Together]) -> Listed:
    parts = []
    for one in systems:
        whole = pd.concat([t.assign(right=right(t)) for t in one.tables])
        share = whole.groupby(whole.label.astype(str)).right.mean()
        parts.append((f"{one.title}:", [share[name] for name in classes_of(one.tables[0])]))
    return Listed("Classified rightly", parts)


def _say_groups(rights: pd.DataFrame, titles: list[str], varied: list[str]) -> list:
    keys = rights.label.astype(str), rights.group.astype(str)
    by_group = rights.groupby(list(keys))[titles].mean()
    spans = [(title, [by_group[title].min(), by_group[title].max()]) for title in titles]
    mean = by_group[varied].mean(axis=1)
    cells = rights.groupby(list(keys)).size()
    hardest = []
    for label, name in mean.index[np.isclose(mean, mean.min())]:
        digits = [int(part) for part in re.findall(r"\d+", name)]
        numbers = [*digits, cells[label, name], mean.min(), mean.max()]
        hardest.append(Said("the hardest group is", numbers))
    return [Listed("Lowest and highest accuracy of any group", spans), *hardest]


def _expect_calibration(page: Expected, systems: list[Together]) -> list:
    """Fills the table of calibration errors, and gives what is said of it."""
    rows, errors, tops = [], [], []
    for one in systems:
        first = one.runs[0]
        path = first.folder / "validation.parquet"
        if first.run["scored"] != "validation" and not path.is_file():
            continue
        heat = _temperature(pd.read_parquet(path))
        table = first.predictions
        before, after = _calibration(table, 1.0), _calibration(table, heat)
        if not one.flat:
            errors.append((before[0], after[0]))
        rows.append(
            {
                "system": one.title,
                "error before": [before[0]],
                "temperature": [heat],
                "error after": [after[0]],
                "more than one answer": "no" if one.flat else "yes",
            }
        )
        if not one.flat:
            tops.append((f"{one.title}:", before[1:]))
    if not rows:
        return []
    page.tables["Expected calibration error on the test part, first seed of each system."] = rows
    lower = sum(after < before for before, after in errors)
    return [
        Listed("In the bin of the highest confidence", tops[:5]),
        Said("The temperature of the validation part lowers", [lower, len(errors)]),
    ]


def _heated(table: pd.DataFrame, heat: float) -> np.ndarray:
    scaled = np.log(np.maximum(shares_of(table), 1e-6)) / heat
    values = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def _temperature(table: pd.DataFrame) -> float:
    """The temperature that makes the validation part likeliest, to four decimals."""
    true = pd.Index(classes_of(table)).get_indexer(table.label)

    def loss(log_heat: float) -> float:
        return -np.log(_heated(table, math.exp(log_heat))[np.arange(len(true)), true]).mean()

    limits = math.log(0.05), math.log(20)
    found = minimize_scalar(loss, bounds=limits, method="bounded")
    return math.exp(found.x)


def _calibration(table: pd.DataFrame, heat: float) -> list[float]:
    """Expected calibration error over ten bins from 1 / classes to 1; confidence and accuracy of
    the highest bin that holds images."""
    values = shares_of(table) if heat == 1 else _heated(table, heat)
    sure, hits = values.max(axis=1), right(table)
    edges = np.linspace(1 / values.shape[1], 1, 11)
    error, top = 0.0, [math.nan, math.nan]
    for low, high in zip(edges, [*edges[1:-1], math.inf], strict=False):
        here = (sure >= low) & (sure < high)
        if low == edges[0]:
            here |= sure < low
        if here.any():
            top = [sure[here].mean(), hits[here].mean()]
            error += here.mean() * abs(top[0] - top[1])
    return [error, *top]


def _say_errors(rights: pd.DataFrame, titles: list[str]) -> list:
    if not titles:
        return []
    wrong = rights[titles] < 0.5
    pairs = []
    for k, second in enumerate(titles):
        for first in titles[:k]:
            a, b = wrong[second], wrong[first]
            chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
            if a.nunique() > 1 and b.nunique() > 1:
                kappa = ((a == b).mean() - chance) / (1 - chance)
                pairs.append((f"{second} and {first}", [kappa]))
    failed, labels = wrong.sum(axis=1), sorted(rights.label.unique())
    counts = [[((failed == k) & (rights.label == name)).sum() for name in labels]
              for k in range(len(titles) + 1)]  # fmt: skip
    listed = [(f"{k} systems:", row) for k, row in enumerate(counts)]
    total, none, every = len(rights), sum(counts[0]), sum(counts[-1])
    return [
        Listed("Kappa of the errors", pairs),
        Listed("", listed),
        Said("are right in all", [none / total, total, len(titles), every / total, *counts[-1]]),
    ]


# ---- cost --------------------------------------------------------------------------------


def expect_cost(results: Path, dataset: str, protocol: str, operations) -> Expected:
    """`operations(run)`: floating-point operations of its network for one image."""
    runs = read_runs(results)
    page, systems = start(runs), beside(runs, dataset, protocol)
    if not systems:
        return page
    rows = sorted(((one, _cost(one)) for one in systems), key=lambda pair: pair[1]["seconds"])
    needs = {one.title: operations(one.run) for one in systems}
    page.tables["Cost of one training, and what it scored on the test part."] = [
        {
            "system": one.title,
            "input": [one.run["parameters"]["input_size"]],
            "epochs": [one.run["epochs"]],
            "million parameters": [one.run["model_parameters"] / 1e6],
            "million operations an image": [needs[one.title] / 1e6],
            "images a second": [cost["speed"]],
            "minutes a training": [cost["seconds"] / 60],
            "memory, GB": [cost["memory"] / 1e9],
            "energy": "not measured" if cost["joules"] is None else [cost["joules"] / 3.6e6],
            "accuracy": one.accuracy[:1],
            "AUC": one.auroc[:1],
            "precision": one.run.get("precision", one.run["parameters"]["precision"]),
            "measured": _measured(one.run["device"]["device"], one.finished, one.run["commit"]),
        }
        for one, cost in rows
    ]
    told = [(f"{one.title}:", [cost["seconds"] / 60, *one.accuracy]) for one, cost in rows]
    ratio = max(needs.values()) / min(needs.values())
    order = [one for one, _ in rows]
    best = max(order, key=lambda one: one.accuracy[0])
    known = sum(cost["joules"] is not None for _, cost in rows)
    said = [ratio, best.accuracy[0], order.index(best) + 1, len(rows), known, len(rows)]
    page.said = [Listed("", told), Said("times the operations", said)]
    return page


def _cost(one: Together) -> dict:
    runs = [trained.run for trained in one.runs]
    shown_pictures = sum(run["pictures"] * run["epochs"] for run in runs)
    seconds = sum(sum(run.get("epoch_seconds", [run["seconds"]])) for run in runs)
    joules = [(run.get("energy") or {}).get("joules") for run in runs]
    return {
        "seconds": np.mean([run["seconds"] for run in runs]),
        "speed": shown_pictures / seconds,
        "memory": max(run["peak_memory"] for run in runs),
        "joules": None if None in joules else np.mean(joules),
    }
