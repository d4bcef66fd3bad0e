"""SetFit (Tunstall et al. 2022): sentence embeddings tuned on pairs of rows, where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from time import perf_counter

from promptdsl.comparison.baselines import NO_ROWS, texts_of
from promptdsl.comparison.task import Outcome, Skipped, Task
from promptdsl.comparison.values import NOT_INSTALLED

__all__ = ["run_setfit"]

MODEL = "sentence-transformers/paraphrase-mpnet-base-v2"  # the paper's; settings={"setfit": {"model": …}} changes it


def run_setfit(task: Task) -> Outcome | Skipped:
    """SetFit with its own defaults on the shots."""
    if find_spec("setfit") is None or find_spec("datasets") is None:
        return Skipped(NOT_INSTALLED, "pip install setfit")
    if not len(task.train):
        return NO_ROWS
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    start = perf_counter()
    classes = sorted(set(task.train.labels))
    model = SetFitModel.from_pretrained(task.settings[0].get("model", MODEL), labels=classes)
    numbers = [classes.index(label) for label in task.train.labels]
    data = Dataset.from_dict({"text": texts_of(task.train, task.columns), "label": numbers})
    arguments = TrainingArguments(seed=task.seed, report_to="none", show_progress_bar=False)
    Trainer(model=model, args=arguments, train_dataset=data).train()
    fitted = perf_counter()
    predicted = [str(label) for label in model.predict(texts_of(task.test, task.columns))]
    trained = sum(p.numel() for p in model.model_body.parameters())
    return Outcome(predicted, trained, fitted - start, perf_counter() - fitted)
