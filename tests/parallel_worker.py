"""What each process of the data-parallel tests runs: `torchrun parallel_worker.py FOLDER`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from still import TEMPLATE, still
from transformers import TrainerCallback

from promptdsl.errors import TrainingError
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.__main__ import main as command_line
from promptdsl.training.settings import TrainingSettings
from promptdsl.training.trained import trained_parameters
from promptdsl.training.trainer import train_run

SETTINGS = TrainingSettings(steps=50, batch_size=8, learning_rate=1e-3, prompt_learning_rate=2.0, seed=5)
WORDS = ("film", "plot", "the", "dull", "fine", "no", "a", "long", "bad")
ROWS = [" ".join(WORDS[(i * k) % 9] for k in range(1, 2 + i % 7)) for i in range(30)]
LABELS = [int(len(row) % 3 == 0) for row in ROWS]


def parts() -> PromptModel:
    """Soft tokens before a language model that is tuned, all of it in float64."""
    lm, tokenizer = still()
    model = PromptModel((lm.double(), tokenizer), f'<"soft":3> {TEMPLATE}', "x: the; y: a", tune="full")
    model.prompt.double()
    return model


class Spoil(TrainerCallback):
    """In the second process alone, makes the loss of step 6 infinite; its gradient stays what it is."""

    def on_step_begin(self, args: Any, state: Any, control: Any, *, model: PromptModel, **_: Any) -> None:
        if args.process_index == 1 and state.global_step == 5:
            model.register_forward_hook(lambda _model, _given, out: replace(out, loss=out.loss + float("inf")))


def main(folder: Path) -> None:
    """Train well; train until the second process has a loss that is no number; train by the command."""
    rank = os.environ["RANK"]
    for name, callbacks in (("well", []), ("spoilt", [Spoil()])):
        model, said = parts(), "no error"
        try:
            train_run(model, ROWS, LABELS, SETTINGS, callbacks=callbacks)
        except TrainingError as error:
            said = error.diagnostics[0].message
        (folder / f"{name}-{rank}.txt").write_text(said)
        save_file({n: p.detach() for n, p in trained_parameters(model).items()}, folder / f"{name}-{rank}")
    rows = [{"text_a": text, "label": "xy"[label]} for text, label in zip(ROWS, LABELS, strict=True)]
    (folder / f"rows-{rank}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = ["--template", TEMPLATE, "--verbalizer", 'x: <"soft":"bad">\ny: <"soft":"good">', "--steps", "4"]
    command += ["--train", str(folder / f"rows-{rank}.jsonl"), "--output", str(folder / "out"), "--logging-steps", "1"]
    sys.exit(command_line(command))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
