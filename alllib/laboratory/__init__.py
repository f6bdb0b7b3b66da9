"""Laboratory of mistakes: each published mistake as a controlled experiment."""

from __future__ import annotations

from .effects import Effect, measure_effect
from .registry import MISTAKES, Mistake, get_mistake
from .scene import Scene, prepare_scene
from .study import (
    compare_effects,
    effect_table,
    effect_text,
    keep_laboratory,
    kept_effects,
    measure_mistakes,
    run_laboratory,
    tell_effect,
    tell_notes,
)

__all__ = ["MISTAKES", "Effect", "Mistake", "Scene", "compare_effects", "effect_table",
           "effect_text", "get_mistake", "keep_laboratory", "kept_effects", "measure_effect",
           "measure_mistakes", "prepare_scene", "run_laboratory", "tell_effect",
           "tell_notes"]  # fmt: skip
