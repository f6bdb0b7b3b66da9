"""Command line of the project; `alllib --help` lists its commands."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import select
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from . import __version__
from .errors import AlllibError, ParameterError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words of the command line; those of the process when not given.

    Returns
    -------
    int
        0 when it succeeded, 1 on an error of the kind `AlllibError`, 130 when interrupted,
        141 when nobody reads on (`alllib ... | head`).
    """
    try:
        try:
            return _run_command(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_left():
            raise
        return 141


def _reader_left() -> bool:
    """Whether nobody reads our output any more; what is still to be written is dropped then."""
    try:
        number = sys.stdout.fileno()
    except OSError:  # not a file of the system
        return False
    asked = select.poll()
    asked.register(number, 0)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # Python flushes once more at its end
    return True


def _run_command(arguments: Sequence[str] | None) -> int:
    given = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("alllib").setLevel(logging.INFO)
    try:
        _load_extensions(given)
        return given.command(given) or 0
    except AlllibError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to finish the work", file=sys.stderr)
        return 130


def _load_extensions(given: argparse.Namespace) -> None:
    if not given.extensions:
        return
    if given.command is _run_notebook:
        raise ParameterError(
            "`--with` has no effect on a notebook, which runs in a process of its own.",
            where="--with",
            remedy="Call `alllib.extensions.load_extension` in the notebook.",
        )
    from .extensions import load_extension

    for path in given.extensions:
        load_extension(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alllib", description=__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--with", dest="extensions", metavar="FILE.py", action="append", default=[],
                        help="register data sets and networks of your own first")  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_data(commands.add_parser("data", help="make, fetch or check a data set"))
    _add_run(commands.add_parser("run", help="run one notebook"))
    twins = commands.add_parser("notebooks", help="write the .ipynb twin of each notebook")
    twins.add_argument("folder", nargs="?", default="notebooks", type=Path)
    twins.set_defaults(command=_write_twins)
    systems = commands.add_parser("systems", help="compare the networks with their sources")
    systems.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    systems.add_argument("--json", action="store_true", help="print JSON")
    systems.set_defaults(command=_show_systems)
    _add_train(commands.add_parser("train", help="train a recipe's network"))
    _add_predict(commands.add_parser("predict", help="class probabilities of new images"))
    _add_demo(commands.add_parser("demo", help="train the small demonstration network again"))
    _add_store(commands.add_parser("store", help="list or remove stores of decoded images"))
    _add_bench(commands.add_parser("bench", help="measure the speed figures"))
    _add_claims(commands.add_parser("claims", help="check every claim of the sources"))
    _add_study(
        commands.add_parser("baselines", help="score classifiers without a CNN on a data set"),
        _run_baselines,
    )
    _add_study(
        commands.add_parser("laboratory", help="measure what each published mistake does"),
        _run_laboratory,
    )
    _add_topics(commands.add_parser("study", help="measure one of the smaller studies"))
    _add_results(commands.add_parser("results", help="what came out, one row for all seeds"))
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    check = verbs.add_parser("check", help="compare a C-NMC 2019 download with the official list")
    check.add_argument("root", type=Path)
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(command=_check_data)
    duplicates = verbs.add_parser(
        "duplicates", help="find images that show the same cell",
        description="Find images that show the same cell. The folder must be a data set with "
        "images of every class, although the search itself reads no class.",
    )  # fmt: skip
    duplicates.add_argument("--planted", metavar="N", type=int,
                            help="then plant N copies, and see how many are found")  # fmt: skip
    duplicates.add_argument("--groups", action="store_true",
                            help="then score a forest by the groups that were found")  # fmt: skip
    _add_study(duplicates, _find_duplicates)
    fetch = verbs.add_parser("fetch", help="download a data set from Kaggle")
    fetch.add_argument("name")
    fetch.set_defaults(command=_fetch_data)
    make = verbs.add_parser("make", help="write a synthetic data set")
    make.add_argument("root", nargs="?", type=Path, help="folder (default: below _build/data)")
    make.add_argument("--dataset", default="synthetic", help="synthetic or synthetic-subtypes")
    make.add_argument("--images", type=int, default=1000)
    make.add_argument("--seed", type=int, default=2019)
    make.set_defaults(command=_make_data)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", help="topic, like `splitting`, or path of a notebook")
    parser.add_argument("--preset", default="sample")
    parser.add_argument("-p", dest="overrides", metavar="KEY=VALUE", action="append", default=[])
    parser.add_argument("--output", type=Path, help="where the executed notebook goes")
    parser.set_defaults(command=_run_notebook)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe", help="like unnithan2021-2x2, a variant unnithan2021-2x2.adam, or a file mine.toml"
    )
    parser.add_argument("--protocol", default="honest", help="published, honest, or a name")
    parser.add_argument("--fold", type=int, help="the fold to test on (default: one is drawn)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", metavar="ID", help="name of the run record")
    parser.add_argument("--data", help="a name, or a folder (default: the synthetic twin)")
    parser.add_argument("--images", type=int, default=1000, help="number of synthetic images")
    parser.add_argument("--input-size", type=int, help="pixels (default: the recipe's)")
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("--samples", type=int, help="augmented pictures (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="images per step (default: the recipe's)")
    parser.add_argument("--weights", choices=["imagenet", "none"], help="default: the recipe's")
    parser.add_argument("--backbone", choices=["trained", "frozen"], help="default: the recipe's")
    parser.add_argument("--precision", default="auto", help="float32, ... (default: the device's)")
    parser.add_argument("--patience", type=int,
                        help="epochs without a better one before it stops")  # fmt: skip
    parser.add_argument("--set", dest="changes", metavar="KEY=VALUE", action="append", default=[],
                        help="a parameter of the recipe, like training.patience=5")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="train anew what is finished or begun")
    parser.add_argument("--feed", default="auto", help="auto, host, device or resident")
    parser.add_argument("--devices", type=int, default=1, help="devices that share each batch")
    parser.add_argument("--deterministic", action="store_true", help="the same bits on a GPU")
    parser.add_argument("--tensorboard", metavar="FOLDER", type=Path, help="write logs here")
    parser.set_defaults(command=_train)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument("--run", metavar="ID",
                        help="id or folder of a trained run (default: the demonstration that "
                        "comes with alllib, trained on synthetic cells only)")  # fmt: skip
    parser.add_argument("--cam", metavar="FOLDER", type=Path, help="write Grad-CAM pictures here")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_predict)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--again", action="store_true", help="train anew what is finished or begun")
    parser.add_argument("--keep", action="store_true",
                        help="copy it into the package; needs a clean commit")  # fmt: skip
    parser.set_defaults(command=_demonstrate)


def _add_store(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="what is stored, and whether it is of use")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(command=_list_stores)
    prune = verbs.add_parser("prune", help="remove stale, damaged and unfinished stores")
    prune.add_argument("--days", metavar="N", type=float, help="also those not used for N days")
    prune.add_argument("--all", action="store_true", help="remove every store")
    prune.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    prune.set_defaults(command=_prune_stores)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="*", metavar="KEY", help="default: all; with --gpu, recipes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--record", action="store_true", help="keep them in results/benchmarks/")
    parser.add_argument("--gpu", action="store_true", help="train each network on this GPU")
    parser.set_defaults(command=_bench)


def _add_claims(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", help="claims of one source, like mir2019report")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_check_claims)


def _add_topics(parser: argparse.ArgumentParser) -> None:
    from .measurements import MEASUREMENTS

    width = max(map(len, MEASUREMENTS))
    topics = (f"  {name:<{width}}  {study.title}" for name, study in MEASUREMENTS.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(["topics:", *topics])
    parser.add_argument("topic", metavar="TOPIC", help="one of those below")
    _add_study(parser, _run_study)


def _add_study(parser: argparse.ArgumentParser, command: Callable) -> None:
    """A measurement of a data set that can be kept with the book."""
    parser.add_argument("root", help="folder of images, or the name of a data set")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--record", action="store_true", help="keep it in results/study/")
    parser.set_defaults(command=command)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", help="folder of records (default: results and runs)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    verbs = parser.add_mutually_exclusive_group()
    verbs.add_argument("--runs", action="store_true", help="a row for each single run")
    verbs.add_argument("--gaps", action="store_true", help="what the split does to each system")
    verbs.add_argument("--keep", metavar="ID", nargs="+",
                       help="copy finished runs to results/, without their models")  # fmt: skip
    verbs.add_argument("--seal", action="store_true", help="write the manifest of results/ anew")
    verbs.add_argument("--check", action="store_true",
                       help="compute the metrics of recorded runs again")  # fmt: skip
    parser.set_defaults(command=_show_results)


def _check_data(given: argparse.Namespace) -> int:
    from .downloads import check_download

    report = check_download(given.root, progress=sys.stderr.isatty())
    if given.json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        print(report.as_text())
    return 0 if report.complete else 1


def _fetch_data(given: argparse.Namespace) -> None:
    from .downloads import fetch_dataset

    print(fetch_dataset(given.name))


def _make_data(given: argparse.Namespace) -> None:
    from .downloads import prepare_data
    from .errors import suggest
    from .smears import SmearDesign, make_smears
    from .synthetic import SyntheticDesign, make_dataset

    makers = {
        "synthetic": (make_dataset, SyntheticDesign),
        "synthetic-subtypes": (make_smears, SmearDesign),
    }
    if given.dataset not in makers:
        raise ParameterError(
            f"{given.dataset!r} is no data set that can be made.",
            where="--dataset",
            remedy=suggest(given.dataset, makers),
        )
    if given.root is None:
        print(prepare_data(given.dataset, images=given.images, seed=given.seed))
    else:
        make, design = makers[given.dataset]
        print(make(given.root, design(images=given.images, seed=given.seed)))


def _run_notebook(given: argparse.Namespace) -> None:
    from .notebooks import parse_override, read_parameters, run_notebook, source_of

    declared = read_parameters(source_of(given.notebook))
    overrides: dict = {}
    for text in given.overrides:
        name, value = parse_override(text, declared)
        if name in overrides:
            raise ParameterError(
                f"The parameter {name!r} is given twice.",
                where="the command line",
                remedy=f"Give `-p {name}=...` once.",
            )
        overrides[name] = value
    print(
        run_notebook(given.notebook, preset=given.preset, overrides=overrides, output=given.output)
    )


def _write_twins(given: argparse.Namespace) -> None:
    from .notebooks import write_twins

    for path in write_twins(given.folder):
        print(path)


def _show_systems(given: argparse.Namespace) -> int:
    from .systems import system_rows, system_table, systems_agree

    rows = system_rows(given.recipes or None)
    print(json.dumps(rows, indent=2) if given.json else system_table(rows).to_string(index=False))
    return 0 if systems_agree(rows) else 1


def _train(given: argparse.Namespace) -> None:
    from .baseline_runs import score_beside
    from .datasets import is_own, load_cells
    from .downloads import prepare_data
    from .fitting import Resources
    from .recipes import change_recipe, load_recipe, split_by_recipe
    from .tables import interval
    from .training import RunSettings, check_classes, train_recipe

    recipe = load_recipe(given.recipe)
    if given.changes:
        recipe = change_recipe(recipe, "custom", _parse_changes(given.changes))
    own = recipe.data.dataset if is_own(recipe.data.dataset) else None
    if own and not given.data:
        raise ParameterError(
            f"Where the images of {own!r} lie is not said.",
            where="--data",
            remedy="Give the folder that holds a folder for each class: `--data FOLDER`.",
        )
    twin = {"ball2021": "synthetic-subtypes"}.get(recipe.data.dataset, "synthetic")
    settings = RunSettings(
        input_size=given.input_size, epochs=given.epochs, samples=given.samples,
        batch=given.batch, weights=given.weights, backbone=given.backbone,
        precision=given.precision, patience=given.patience, seed=given.seed,
    )  # fmt: skip
    resources = Resources(
        feed=given.feed, devices=given.devices, deterministic=given.deterministic,
        tensorboard=given.tensorboard,
    )  # fmt: skip
    settings.filled(recipe)  # a wrong word is said before images are read
    resources.checked()
    cells = load_cells(prepare_data(given.data or twin, images=given.images), own)
    check_classes(recipe, cells.attrs["dataset"])  # else the split would refuse for another reason
    split = split_by_recipe(recipe, cells, given.protocol, fold=given.fold)
    record = train_recipe(
        recipe, split, settings=settings, run_id=given.run, resources=resources, again=given.again
    )
    print(record.path)
    print("accuracy", interval(record.run["metrics"]["metrics"]["accuracy"]),
          "on the", record.run["scored"], "part")  # fmt: skip
    for row in score_beside(split, record=record):
        print(f"  without a network, {row['title']}:", interval(row["metrics"]["accuracy"]))


def _parse_changes(texts: Sequence[str]) -> dict:
    """Values of `--set KEY=VALUE`, written as in TOML; a bare word is a text."""
    changes: dict = {}
    for text in texts:
        key, given, value = text.partition("=")
        if not given or key in changes:
            raise ParameterError(
                f"{text!r} is " + ("given twice." if given else "no KEY=VALUE."),
                where="--set",
                remedy="Write each parameter once, like `--set training.patience=5`.",
            )
        try:
            changes[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            changes[key] = value
    return changes


def _predict(given: argparse.Namespace) -> None:
    from .demonstration import load_predictor
    from .prediction import predict_images, predictions_as_dict, predictions_as_text

    trained = load_predictor(given.run)
    found = predict_images(trained, given.images, cam_folder=given.cam)
    if given.json:
        print(json.dumps(predictions_as_dict(trained, found), indent=2))
    else:
        print(predictions_as_text(trained, found))


def _demonstrate(given: argparse.Namespace) -> None:
    from .demonstration import demonstration_text, keep_demonstration, train_demonstration

    record = train_demonstration(again=given.again)
    print(demonstration_text(record))
    if given.keep:
        print(keep_demonstration(record))


def _list_stores(given: argparse.Namespace) -> None:
    from .inventory import list_stores, store_rows, store_table

    entries = list_stores()
    if given.json:
        print(json.dumps(store_rows(entries), indent=2))
    elif entries:
        print(store_table(entries).to_string(index=False))
    else:
        print("no store; a training makes the one that it needs")


def _prune_stores(given: argparse.Namespace) -> None:
    from .inventory import prune_stores

    removed = prune_stores(days=given.days, everything=given.all, dry_run=given.dry_run)
    for entry in removed:
        used = f", last used {entry.used[:10]}" if entry.used else ""
        print(f"{entry.name}: {entry.said}, {entry.bytes / 1e6:.1f} MB{used}")
    done, came = ("would be removed", "would come") if given.dry_run else ("removed", "came")
    count = f"{len(removed)} store{'s' * (len(removed) != 1)}" if removed else "no store"
    print(f"{count} {done}, {sum(entry.bytes for entry in removed) / 1e6:.1f} MB {came} free")


def _bench(given: argparse.Namespace) -> int:
    from .benchmarks import run_benchmarks, run_gpu_benchmarks
    from .benchmarks.machines import record_figures
    from .benchmarks.report import figure_text

    with contextlib.redirect_stdout(sys.stderr):  # JSON must stand alone, whatever a peer prints
        found = (run_gpu_benchmarks if given.gpu else run_benchmarks)(given.keys)
    print(json.dumps(found, indent=2, allow_nan=False) if given.json else figure_text(found))
    if given.record:
        print(record_figures(found), file=sys.stderr if given.json else sys.stdout)
    return 1 if any("failed" in one for one in found.values()) else 0  # a missed target is shown


def _check_claims(given: argparse.Namespace) -> None:
    from .claims import claim_rows, claim_table

    rows = claim_rows(given.source, progress=sys.stderr.isatty())
    print(json.dumps(rows, indent=2) if given.json else claim_table(rows).to_string(index=False))


def _run_baselines(given: argparse.Namespace) -> None:
    from .baseline_runs import baseline_table, record_baselines, run_baselines

    cells = _cells(given.root)
    rows = record_baselines(cells).found["rows"] if given.record else run_baselines(cells).rows
    print(json.dumps(rows, indent=2) if given.json else baseline_table(rows).to_string(index=False))


def _find_duplicates(given: argparse.Namespace) -> None:
    from .duplicates import LIMITS, describe_duplicates, duplicate_table, find_duplicates
    from .group_sensitivity import compare_groupings, grouping_table, record_groupings
    from .kinship import measure_duplicates
    from .planting import ORIGINALS, SEED, check_count, measure_search
    from .splits import require_subjects
    from .studies import save_study

    cells = _cells(given.root)
    planted = given.planted is not None
    if planted:  # said before a search of minutes
        check_count(cells, given.planted, where="--planted")
    if given.groups:
        require_subjects(cells)
    found = find_duplicates(cells)
    told = describe_duplicates(found)
    if given.record:
        save_study("duplicates", cells, measure_duplicates(cells, found), settings=LIMITS)
    if planted:
        result = vars(measure_search(cells, found, count=given.planted))
        told["planted"] = result
        if given.record:
            settings = {"originals": ORIGINALS, "seed": SEED, **LIMITS}
            save_study("planted", cells, result, settings=settings)
    if given.groups and given.record:
        told["groupings"] = record_groupings(cells, found).found
    elif given.groups:
        told["groupings"] = compare_groupings(cells, found)
    if given.json:
        print(json.dumps(told, indent=2))
        return
    print(duplicate_table(found))
    if given.groups:
        print(grouping_table(told["groupings"]).to_string(index=False))
    if planted:
        print(f"{result['found']} of {result['planted']} planted copies found, "
              f"{result['wrong']} of {result['pairs']} pairs wrong")  # fmt: skip


def _run_laboratory(given: argparse.Namespace) -> None:
    from .laboratory import effect_text, keep_laboratory, run_laboratory

    cells = _cells(given.root)
    effects = run_laboratory(cells)
    if given.record:
        keep_laboratory(cells, effects)
    rows = [effect.as_dict() for effect in effects]
    print(json.dumps(rows, indent=2) if given.json else effect_text(effects))


def _run_study(given: argparse.Namespace) -> None:
    from .measurements import get_measurement, measured_text, run_measurement
    from .studies import save_study, tell_study

    get_measurement(given.topic)  # a wrong word is said before images are read
    study = run_measurement(given.topic, _cells(given.root))
    kept = None
    if given.record:
        kept = save_study(given.topic, study.cells, study.found, settings=study.settings)
    print(json.dumps(study.found, indent=2) if given.json else measured_text(study.found))
    if kept and not given.json:
        print(tell_study(kept))


def _cells(root: str):
    """Cell table of a folder, or of a data set by name."""
    from .datasets import load_cells
    from .downloads import prepare_data

    return load_cells(prepare_data(root))


def _show_results(given: argparse.Namespace) -> int:
    from .gaps import gap_table, split_gaps
    from .keeping import check_results, keep_runs, seal_results
    from .records import list_records
    from .result_rows import pooled_rows
    from .tables import pooled_table, run_rows, run_table

    if given.keep:
        for path in keep_runs(given.keep):
            print(path)
        return 0
    if given.seal:
        print(seal_results())
        return 0
    if given.check:
        wrong = check_results(given.folder)
        print("\n".join(wrong) if wrong else "records and manifest agree")
        return 1 if wrong else 0
    records = list_records(given.folder)
    if given.gaps:
        rows, table = split_gaps(records), gap_table
    elif given.runs:
        rows, table = run_rows(records), lambda _: run_table(records)
    else:
        rows, table = pooled_rows(records), pooled_table
    if given.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        for kind in dict.fromkeys(row.get("kind") for row in rows):
            chosen = [row for row in rows if row.get("kind") == kind]
            print(*([] if kind is None else [f"\n{kind} ({len(chosen)} rows)\n"]), end="")
            print(table(chosen).to_string(index=False))
    else:
        print("no finished run; `alllib train mir2019-proposed` makes one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
