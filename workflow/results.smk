# The recorded results: every run of a grid that results/ does not hold yet, one after the other.
#
#     snakemake -s workflow/results.smk --profile workflow/profiles/local \
#         --config cnmc2019=/folder/of/C-NMC ball2021=/folder/of/B-ALL scale=auto
#
# A run that was stopped goes on after its last whole epoch; one that is recorded is not repeated.
import os
import shlex
import sys
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))

from alllib.datasets import data_fingerprint, detect_dataset, get_dataset, load_cells
from alllib.errors import AlllibError
from alllib.files import workspace
from alllib.grids import choose_scale, grid_runs, missing_runs, read_grid
from alllib.records import list_records
from alllib.studies import read_study

GRID = ROOT / str(config.get("grid") or "workflow/grids/results.toml")
SCALE = str(config.get("scale") or "auto")
os.chdir(ROOT)
DONE = workspace() / "_build" / "recorded"
PYTHON = sys.executable


def folders():
    """Folder of each data set that was given."""
    found = {}
    for name in ("cnmc2019", "ball2021"):
        if config.get(name):
            folder = Path(os.path.abspath(str(config[name])))
            if detect_dataset(folder) != name:
                sys.exit(f"error: {folder} does not hold {get_dataset(name).title}.")
            found[name] = folder
    if not found:
        sys.exit("error: no data set was given.\n  remedy: give cnmc2019=FOLDER, ball2021=FOLDER.")
    return found


def is_complete(name):
    """Whether every official fold of a data set is there with all of its images."""
    held = CELLS[name].fold.value_counts()
    return all(held.get(fold) == images for fold, images in get_dataset(name).folds.items())


def lacks_baselines(name):
    """Whether the baselines that are kept are of other images, or there are none."""
    study = read_study("baselines", name)
    return study is None or study.data != data_fingerprint(CELLS[name])


try:
    DATA = folders()
    CELLS = {name: load_cells(folder) for name, folder in DATA.items()}
    complete = "cnmc2019" in DATA and is_complete("cnmc2019")
    runs = grid_runs(read_grid(GRID), choose_scale(SCALE), datasets=DATA, complete=complete)
    kept = [record for record in list_records() if record.recorded]
    RUNS = {run.id: run for run in missing_runs(runs, kept, CELLS)}
    BARE = [name for name in DATA if lacks_baselines(name)]
    if workflow.is_main_process:
        print(f"{len(RUNS)} of {len(runs)} runs are still to be recorded.", file=sys.stderr)
except AlllibError as error:
    sys.exit(f"error: {error}")


rule results:
    input:
        [DONE / f"{run}.done" for run in RUNS],
        [DONE / f"baselines-{name}.done" for name in BARE],


rule train:
    output:
        touch(DONE / "{run}.done"),
    params:
        words=lambda wildcards: shlex.join(RUNS[wildcards.run].words(DATA[RUNS[wildcards.run].dataset])),
    priority: lambda wildcards: len(RUNS) - list(RUNS).index(wildcards.run)
    threads: workflow.cores  # one training has the machine for itself
    wildcard_constraints:
        run="(?!baselines-).*",
    shell:
        "cd {ROOT:q} && echo training {wildcards.run} && {PYTHON:q} -m alllib.cli {params.words}"
        " && {PYTHON:q} -m alllib.cli results --keep {wildcards.run}"


rule baselines:
    output:
        touch(DONE / "baselines-{name}.done"),
    params:
        folder=lambda wildcards: shlex.quote(str(DATA[wildcards.name])),
    threads: workflow.cores
    shell:
        "cd {ROOT:q} && {PYTHON:q} -m alllib.cli baselines {params.folder} --record"
        " && {PYTHON:q} -m alllib.cli results --seal"
