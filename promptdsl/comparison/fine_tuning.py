"""Full fine-tuning with a classification head: what is done without a prompt."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptdsl.comparison.baselines import NO_ROWS
from promptdsl.comparison.data import Labelled
from promptdsl.comparison.task import Outcome, Skipped, Task
from promptdsl.errors import fail, printable
from promptdsl.models.loading import LanguageModel
from promptdsl.models.random_state import random_state_kept

__all__ = ["FINE_TUNING", "classification_model", "run_fine_tuning"]

# Few-shot fine-tuning is stable with many epochs and a warm-up (Mosbach, Andriushchenko and Klakow 2021), and needs a
# least number of steps (Zhang et al. 2021). `settings={"fine-tuning": {…}}` changes these.
FINE_TUNING: Mapping[str, Any] = {
    "learning_rate": 5e-5,
    "epochs": 20,
    "least_steps": 100,
    "batch_size": 8,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "max_length": None,
}
PREDICTED_AT_ONCE = 64  # rows


def run_fine_tuning(task: Task) -> Outcome | Skipped:
    """A copy of the language model's body below a new classification head, all of it trained on the shots.

    Raises:
        TrainingError: PD746 for a family without classification heads, and where the loss is not a number.
    """
    if not len(task.train):
        return NO_ROWS
    settings = {**FINE_TUNING, **task.settings[0]}
    classes = sorted(set(task.train.labels))
    start = perf_counter()
    with random_state_kept():
        torch.manual_seed(task.seed)
        model = classification_model(task.lm, len(classes))
        examples = _encoded(task.lm, task.train, task.columns, settings)
        labels = [classes.index(label) for label in task.train.labels]
        _train(model, [e | {"labels": n} for e, n in zip(examples, labels, strict=True)], settings, task)
    fitted = perf_counter()
    numbers = _predicted(model, task.lm, _encoded(task.lm, task.test, task.columns, settings))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Outcome([classes[n] for n in numbers], trained, fitted - start, perf_counter() - fitted)


def classification_model(lm: LanguageModel, classes: int) -> Any:
    """A model of the same family with a classification head, its body a copy of the language model's.

    Raises:
        TrainingError: PD746 where transformers has none, or where the body does not fit.
    """
    import transformers

    head: Any = transformers.AutoModelForSequenceClassification  # its methods carry no types
    config = copy.deepcopy(lm.model.config)
    config.num_labels = classes
    config.pad_token_id = _pad_id(lm)
    try:
        model = head.from_config(config)
    except ValueError:
        message = f"transformers has no classification head for {printable(type(lm.model).__name__, 60)}"
        fail("PD746", message, help='leave out the baseline "fine-tuning"', origin="baselines")
    given, body = lm.model.base_model.state_dict(), model.base_model
    lacking = [n for n in body.state_dict() if n not in given and not n.startswith("pooler.")]
    if lacking:
        message = f"the classification model has {printable(lacking[0], 80)}, which the language model lacks"
        fail("PD746", message, help='leave out the baseline "fine-tuning"', origin="baselines")
    body.load_state_dict(given, strict=False)  # a pooler is new, as the head is
    return model.to(lm.model.device, torch.float32)


def _pad_id(lm: LanguageModel) -> int:
    """What fills rows up. A causal model reads its class at the last token that is another one."""
    known = lm.tokenizer.pad_token_id, lm.tokenizer.eos_token_id, 0
    return int(next(token for token in known if token is not None))


def _encoded(lm: LanguageModel, data: Labelled, columns: Any, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Token ids of each row: its one or two texts as the tokenizer joins them, further ones behind the second."""
    given = [data.rows.columns[name] for name in columns if name in data.rows.columns]
    texts = [[str(v) if isinstance(v, (str, int, float)) else "" for v in column] for column in given]
    parts = texts if len(texts) < 2 else [texts[0], [" ".join(rest) for rest in zip(*texts[1:], strict=True)]]
    length = min(n for n in (settings["max_length"], lm.max_positions, 512) if n)
    encoded = lm.tokenizer(*parts, truncation=True, max_length=length)
    names = [name for name in ("input_ids", "token_type_ids") if name in encoded]
    return [{name: encoded[name][row] or [_pad_id(lm)] for name in names} for row in range(len(data))]


def _collate(items: list[dict[str, Any]], pad: int) -> dict[str, Tensor]:
    """Rows filled up on the right."""
    length = max(len(item["input_ids"]) for item in items)
    fill = {"input_ids": pad, "token_type_ids": 0}
    batch = {
        name: torch.tensor([item[name] + [value] * (length - len(item[name])) for item in items])
        for name, value in fill.items()
        if name in items[0]
    }
    sizes = torch.tensor([len(item["input_ids"]) for item in items])
    batch["attention_mask"] = (torch.arange(length) < sizes[:, None]).long()
    if "labels" in items[0]:
        batch["labels"] = torch.tensor([item["labels"] for item in items])
    return batch


def _train(model: Any, examples: list[dict[str, Any]], settings: Mapping[str, Any], task: Task) -> None:
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    size = settings["batch_size"]
    steps = max(settings["least_steps"], settings["epochs"] * -(-len(examples) // size))
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            learning_rate=settings["learning_rate"],
            max_steps=steps,
            per_device_train_batch_size=size,
            warmup_steps=settings["warmup"],
            weight_decay=settings["weight_decay"],
            seed=task.seed,
            data_seed=task.seed,
            use_cpu=model.device.type == "cpu",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            logging_nan_inf_filter=False,
            disable_tqdm=True,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
        )
        pad = _pad_id(task.lm)
        trainer = Trainer(model, arguments, train_dataset=examples, data_collator=lambda items: _collate(items, pad))
        trainer.remove_callback(PrinterCallback)
        loss = trainer.train().training_loss
    if not np.isfinite(loss):
        fail("PD746", "fine-tuning diverged: the loss is not a number",
             help='lower it: settings={"fine-tuning": {"learning_rate": 1e-5}}', origin="baselines")  # fmt: skip


def _predicted(model: Any, lm: LanguageModel, encoded: list[dict[str, Any]]) -> list[int]:
    model.eval()
    numbers: list[int] = []
    with torch.inference_mode():
        for start in range(0, len(encoded), PREDICTED_AT_ONCE):
            batch = _collate(encoded[start : start + PREDICTED_AT_ONCE], _pad_id(lm))
            numbers += model(**{n: t.to(model.device) for n, t in batch.items()}).logits.argmax(-1).tolist()
    return numbers
