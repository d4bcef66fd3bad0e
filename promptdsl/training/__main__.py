"""`python -m promptdsl.training` trains in one process, `torchrun` or `accelerate launch` with `-m` in several."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from promptdsl.encoding.tables import Table, lines_named, read_table
from promptdsl.errors import PromptDSLError, TrainingError, fail, printable
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["main", "save"]

app = typer.Typer(
    name="promptdsl.training",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def command(
    template: Annotated[str, typer.Option("--template", metavar="TEXT|@FILE", help="The template.")],
    verbalizer: Annotated[str, typer.Option("--verbalizer", metavar="TEXT|@FILE", help="The verbalizer.")],
    train: Annotated[
        str, typer.Option("--train", metavar="FILE", help="Labelled rows: CSV, TSV, JSONL, JSON, Parquet.")
    ],
    output: Annotated[str, typer.Option("--output", metavar="FOLDER", help="Where what was trained, and the log, go.")],
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="A model's name or folder.")] = "pocket-mlm",
    label_column: Annotated[
        str, typer.Option("--label-column", metavar="NAME", help="The column of labels.")
    ] = "label",
    tune: Annotated[str, typer.Option("--tune", metavar="prompt|full|bitfit", help="What may learn.")] = "prompt",
    max_length: Annotated[int | None, typer.Option("--max-length", min=1, help="Positions of an input.")] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str | None, typer.Option("--device", help="A torch device; CPU by default.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="The language model's.")] = None,
    prompt_learning_rate: Annotated[float | None, typer.Option("--prompt-learning-rate")] = None,
    network_learning_rate: Annotated[float | None, typer.Option("--network-learning-rate")] = None,
    verbalizer_learning_rate: Annotated[float | None, typer.Option("--verbalizer-learning-rate")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the rows.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Updates; instead of --epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Rows of a step, over all processes.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay")] = None,
    prompt_weight_decay: Annotated[float | None, typer.Option("--prompt-weight-decay")] = None,
    warmup: Annotated[float | None, typer.Option("--warmup", help="A share of the steps.")] = None,
    schedule: Annotated[str | None, typer.Option("--schedule", metavar="linear|constant|cosine")] = None,
    max_grad_norm: Annotated[float | None, typer.Option("--max-grad-norm", help="0 for any.")] = None,
    seed: Annotated[int | None, typer.Option("--seed")] = None,
    logging_steps: Annotated[int | None, typer.Option("--logging-steps")] = None,
    checkpoints: Annotated[str | None, typer.Option("--checkpoints", metavar="FOLDER", help="Local scratch.")] = None,
    save_steps: Annotated[int | None, typer.Option("--save-steps", help="Steps between checkpoints.")] = None,
    report_to: Annotated[list[str] | None, typer.Option("--report-to", metavar="NAME", help="tensorboard, …")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show a progress bar.")] = False,
) -> None:
    """Train what a template, a verbalizer and --tune let learn, on labelled rows.

    Example: torchrun --nproc-per-node 2 -m promptdsl.training --template '<"placeholder":"text_a"> <"soft":9> <"mask">'
    --verbalizer 'no: bad; yes: good' --train reviews.csv --output trained
    """
    given = {n: v for n, v in locals().items() if n in _SETTINGS and v is not None}
    from promptdsl.models.prompt_model import PromptModel
    from promptdsl.training.settings import TrainingSettings

    settings = TrainingSettings(**given | {"report_to": tuple(report_to or ())})
    _writable(output)
    table = read_table(train)
    strings = Template.from_file(template[1:]) if template.startswith("@") else Template(template)
    words = Verbalizer.from_file(verbalizer[1:]) if verbalizer.startswith("@") else Verbalizer(verbalizer)
    built: dict[str, Any] = {"max_length": max_length, "dtype": dtype, "device": device, "seed": settings.seed}
    made = PromptModel(model, strings, words, tune=tune, **built)
    with lines_named(table):
        _train(made, table, table.column(label_column), settings, output)


# The options that are settings of the same name.
_SETTINGS = {
    "learning_rate", "prompt_learning_rate", "network_learning_rate", "verbalizer_learning_rate", "epochs", "steps",
    "batch_size", "weight_decay", "prompt_weight_decay", "warmup", "schedule", "max_grad_norm", "seed", "logging_steps",
    "checkpoints", "save_steps", "verbose", "output",
}  # fmt: skip


def _train(model: Any, table: Table, labels: Sequence[Any], settings: Any, output: str) -> None:
    """Train and save; of a training that diverged the last good state is saved before the error goes on."""
    from promptdsl.training.targets import Targets
    from promptdsl.training.trainer import train_run

    targets = Targets.of(list(labels), model.labels, len(table.rows)).tensor
    assert targets is not None
    try:
        run = train_run(model, table.rows, targets, settings)
    except TrainingError as error:
        if error.code == "PD703" and _is_first():
            with suppress(PromptDSLError):  # that it diverged is what is told
                save(model, output, settings.seed)
        raise
    if _is_first():
        save(model, output, settings.seed)
        print(run)


def save(model: Any, folder: str, seed: int = 0) -> None:
    """Write what was trained to `folder`, as `promptdsl.training.artefact.load` reads it. Raises FileError PD804."""
    from promptdsl.training import artefact

    model.prompt.trained()  # also if training was broken off
    model.prompt.bake()
    artefact.save(model, folder, seeds={"seed": seed})


def _writable(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f'the folder "{printable(folder, 100)}" cannot be made: {error.strerror or error}'
        fail("PD804", message, help="give a folder that can be written to", origin="output")


def _is_first() -> bool:
    """Whether this process is the one that writes; both launchers number them."""
    return os.environ.get("RANK", "0") == "0"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and return its exit code: 0, or 2 for a wrong call, an error in a string or a file, or in training."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="python -m promptdsl.training")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except PromptDSLError as error:
        if _is_first():  # all processes have it
            text = f"{type(error).__name__}: {error}"
            print(text.encode(sys.stderr.encoding, "backslashreplace").decode(sys.stderr.encoding), file=sys.stderr)
        return 2
    finally:
        _leave()
    return 0


def _leave() -> None:
    """Leave the group of processes, if this is one of several."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
