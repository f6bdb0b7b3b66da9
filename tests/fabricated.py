"""Run records of networks that were never trained: whole, small, and in agreement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from alllib.datasets import get_dataset
from alllib.evaluation import score_predictions
from alllib.files import hash_json
from alllib.recipes import load_recipe
from alllib.records import Record, save_record
from alllib.settings import RunSettings

DATA = "d" * 64


def answers(seed: int, *, groups: int = 3, cells: int = 4, first: int = 0) -> pd.DataFrame:
    """Predictions on `groups` groups a class of `cells` images each, drawn from the seed."""
    generator = np.random.default_rng(seed)
    rows = [
        (f"{label}_{group}_{cell}", f"{label}_{group}", label)
        for label in ("ALL", "HEM")
        for group in range(first, first + groups)
        for cell in range(cells)
    ]
    table = pd.DataFrame(rows, columns=["image", "subject", "label"])
    sure = generator.uniform(0.2, 0.95, len(table)).round(3)
    table["p_ALL"] = np.where(table.label == "ALL", sure, 1 - sure)
    table["p_HEM"] = 1 - table.p_ALL
    table.insert(2, "group", table.subject)
    return table


def subtypes(seed: int, images: int = 24, first: int = 0) -> pd.DataFrame:
    """The same of B-ALL, which names no subject."""
    generator, names = np.random.default_rng(seed), get_dataset("ball2021").classes
    labels = [names[n % 4] for n in range(images)]
    table = pd.DataFrame({"image": [f"WBC-{n}" for n in range(first, first + images)]})
    table = table.assign(subject=None, group=None, label=labels)
    shares = generator.dirichlet([1.0] * 4, images)
    return table.assign(**{f"p_{name}": shares[:, n] for n, name in enumerate(names)})


def write_run(
    run_id: str,
    table: pd.DataFrame,
    *,
    recipe: str = "unnithan2021-2x2",
    protocol: str = "group",
    split: dict | None = None,
    seed: int = 1,
    settings: RunSettings | None = None,
    finished: str = "2026-11-21T10:00:00+00:00",
    validation: pd.DataFrame | None = None,
    scored: str = "test",
    total: int | None = None,
    data: str = DATA,
    **changes,
) -> Record:
    """Record `runs/<run_id>` of the workspace, with a file in place of its model.

    Parameters
    ----------
    table, validation : pandas.DataFrame
        Predictions of the scored part, and of the validation part.
    split : dict
        Settings in the certificate; fold 2 of five when not given.
    settings : RunSettings
        What the run did otherwise than its recipe, 16 pixels and 3 epochs when not given.
    total : int
        Images of the data set, all parts; those of both tables and 10 more when not given.
    data : str
        Fingerprint of the images.
    changes
        Keys of `run.json`; `parameters` are added to the others.
    """
    text = load_recipe(recipe)
    chosen = settings or RunSettings(input_size=16, epochs=3, weights="none", precision="float32")
    chosen = chosen.filled(text)
    if validation is None:
        old = table if scored == "validation" else table.assign(image="v" + table.image)
        validation = old
    dataset = get_dataset(text.data.dataset)
    parts = {scored: table, "validation": validation}
    counts = {part: t.label.value_counts().to_dict() for part, t in parts.items()}
    held = {part: len(t) for part, t in parts.items()}
    rest = (total or sum(held.values()) + 10) - sum(held.values())
    certificate = {
        "dataset": dataset.name,
        "protocol": protocol,
        "settings": split or {"folds": 5, "seed": 2019, "fold": 2},
        "data": data,
        "parts": {"train": {dataset.classes[0]: rest}} | counts,
    }
    certificate["hash"] = hash_json(certificate)
    parameters = {k: v for k, v in vars(chosen).items() if k != "patience"} | {"seed": seed}
    if chosen.patience != text.training.patience:
        parameters["patience"] = chosen.patience
    parameters |= {"crop": text.images.crop, "scale": "unit", "recipe": text.digest()}
    parameters |= {"certificate": certificate["hash"], "data": data}
    parameters |= changes.pop("parameters", {})
    names = [f"p_{name}" for name in dataset.classes]
    likeliest = np.array(dataset.classes)[validation[names].to_numpy().argmax(axis=1)]
    epochs = changes.get("epochs", chosen.epochs)
    history = pd.DataFrame(
        {
            "epoch": range(1, epochs + 1),
            "loss": 0.5,
            "accuracy": 0.75,
            "val_loss": 0.6,
            "val_accuracy": float((likeliest == validation.label).mean()),
        }
    )
    run = {
        "id": run_id,
        "status": "finished",
        "preset": None,
        "recipe": recipe,
        "recipe_text": text.as_dict(),
        "dataset": dataset.name,
        "classes": list(dataset.classes),
        "protocol": protocol,
        "parameters": parameters,
        "seed": seed,
        "weights": chosen.weights,
        "backbone": chosen.backbone,
        "epochs": epochs,
        "chosen_epoch": epochs,
        "pictures": 40,
        "appearance": {},
        "images": {"train": rest} | held,
        "scored": scored,
        "certificate": certificate,
        "data": data,
        "metrics": score_predictions(table, positive=dataset.positive).as_dict(),
        "device": {"device": "some processor", "kind": "cpu", "backend": "tensorflow"},
        "versions": {},
        "commit": "a" * 40,
        "seconds": 10.0,
        "epoch_seconds": [3.0] * epochs,
        "images_per_second": 12.0,
        "peak_memory": 1,
        "finished": finished,
    }
    return save_record(
        run | changes, table, history, lambda path: Path(path).write_bytes(b"weights"),
        validation=validation,
    )  # fmt: skip
