"""What a system costs: operations, parameters, time, memory and energy, beside its quality."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .architectures import build_network, inference_model
from .backend import load_keras
from .datasets import get_dataset
from .layers import count_flops
from .pools import Pool
from .recipes import Recipe
from .recipes.schema import filled

__all__ = ["cost_rows", "cost_table"]


def cost_rows(pools: Iterable[Pool]) -> list[dict]:
    """Cost of one training of each system, and its accuracy.

    The networks are built once more, to count their operations at the input of the run.

    Parameters
    ----------
    pools : iterable of Pool

    Returns
    -------
    list of dict
        `recipe, title, dataset, protocol, input, epochs, precision, device, date, commit` as of
        the runs;
        `parameters`; `operations` (floating-point, one image forwards); `images_per_second`
        (shown in training, checkpoints and validation included, mean over the trainings);
        `seconds` (one training, from the building of the network to the scores, mean); `memory`
        (bytes at the peak of the process, the largest); `energy` (joules of one training, mean;
        None where the machine did not tell); `value, low, high` (accuracy), `auroc`.
    """
    return [_row(pool) for pool in pools]


def _row(pool: Pool) -> dict:
    run, runs = pool.run, [record.run for record in pool.records]
    recipe = filled(Recipe, run["recipe_text"], "recipe_text.")  # also of no file of the package
    size = run["parameters"]["input_size"]
    load_keras().utils.clear_session()
    built = build_network(
        recipe, classes=len(get_dataset(run["dataset"]).classes), input_size=size,
        weights="none", backbone=run["backbone"],
    )  # fmt: skip
    network = inference_model(built)  # without what serves the training alone
    shown = [r["pictures"] * r["epochs"] for r in runs]
    taken = [sum(r.get("epoch_seconds", [r["seconds"]])) for r in runs]
    joules = [r.get("energy", {}).get("joules") for r in runs]
    known = [value for value in joules if value is not None]
    return {
        "recipe": run["recipe"],
        "title": run["recipe_text"]["title"],
        "dataset": run["dataset"],
        "protocol": run["protocol"],
        "input": size,
        "epochs": run["epochs"],
        "precision": run.get("precision", run["parameters"]["precision"]),
        "device": run["device"]["device"],
        "date": pool.finished[:10],
        "commit": run["commit"],
        "backbone": run["backbone"],
        "parameters": run["model_parameters"],
        "operations": count_flops(network),
        "images_per_second": sum(shown) / sum(taken),
        "seconds": sum(r["seconds"] for r in runs) / len(runs),
        "memory": max(r["peak_memory"] for r in runs),
        "energy": sum(known) / len(known) if len(known) == len(runs) else None,
        **pool.accuracy,
        "auroc": pool.scores.metrics["auroc"].value,
    }


def cost_table(rows: Iterable[dict]) -> pd.DataFrame:
    """Costs for readers, one line per system."""
    return pd.DataFrame(
        [
            {
                "system": row["title"],
                "input": f"{row['input']} px",
                "epochs": row["epochs"],
                "million parameters": f"{row['parameters'] / 1e6:.1f}",
                "million operations an image": f"{row['operations'] / 1e6:,.0f}",
                "images a second": f"{row['images_per_second']:.0f}",
                "minutes a training": f"{row['seconds'] / 60:.1f}",
                "memory, GB": f"{row['memory'] / 1e9:.1f}",
                "energy": "not measured" if row["energy"] is None
                else f"{row['energy'] / 3.6e6:.4f} kWh",
                "accuracy": f"{row['value']:.3f}",
                "AUC": f"{row['auroc']:.3f}",
                "precision": row["precision"],
                "measured": f"{row['device']}, {row['date']}, {row['commit'][:7]}",
            }
            for row in rows
        ]
    )  # fmt: skip
