"""Running the cells of a folder: here, in worker processes, or on other machines that see the folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from promptdsl.comparison.data import Labelled
from promptdsl.comparison.folder import Folder
from promptdsl.comparison.queueing import Queue
from promptdsl.comparison.running import Job
from promptdsl.comparison.spec import StudySpec
from promptdsl.comparison.values import DONE, Cell, CellResult
from promptdsl.comparison.weights import fingerprint
from promptdsl.errors import fail, printable
from promptdsl.models.loading import as_language_model

__all__ = ["run_here", "run_with_workers", "work"]

WAIT = 0.5  # seconds between two looks at what others do

Progress = Callable[[CellResult], None]


def run_here(job: Job, files: Folder, progress: Progress | None = None) -> None:
    """Run every cell that has no result, one after the other, and keep each result at once."""
    for cell in job.spec.cells:
        result = files.result(job.spec, cell)
        if result is None:
            result = job.run(cell)
            files.keep(job.spec, result)
            if progress is not None:
                progress(result)


def work(folder: str | PathLike[str], *, model: Any = None) -> int:
    """Run cells of a study until none is left: a worker beside the one that `compare(…, workers=n)` started.

    Any number of processes, on any machines that see the folder, share it through Optuna's journal file. A cell whose
    worker died is run again; a result that is there counts once, whoever wrote it.

    Args:
        folder: what was given to `compare`.
        model: the language model, where it is not known by name, or lies elsewhere on this machine.

    Returns:
        How many cells this worker ran.

    Raises:
        TrainingError: PD743 where there is no study, PD744 without Optuna, PD748 where the model is not the study's.
    """
    files = Folder(Path(folder))
    spec, _ = files.require()
    job = _job(files, spec, model)
    queue = Queue(files.path)
    cells = {spec.key(cell): cell for cell in spec.cells}
    count = 0
    with queue.signs_of_life():
        while True:
            queue.fill([key for key, cell in cells.items() if files.result(spec, cell) is None])
            count += _emptied(queue, cells, job, files)
            if not queue.is_busy():
                return count
            time.sleep(WAIT)


def _emptied(queue: Queue, cells: dict[str, Cell], job: Job, files: Folder) -> int:
    """Run what waits; how many cells that were."""
    count = 0
    while (taken := queue.take()) is not None:
        trial, key = taken
        try:
            cell = cells.get(key)
            result = None if cell is None else files.result(job.spec, cell)  # another study's, or done meanwhile
            if cell is not None and result is None:
                result = job.run(cell)
                files.keep(job.spec, result)
                count += 1
        except BaseException as error:
            queue.broke(trial, error)
            raise
        queue.finish(trial, None if result is None or result.status != DONE else result.accuracy)
    return count


def _job(files: Folder, spec: StudySpec, model: Any) -> Job:
    """The study with the rows of the folder and its language model."""
    content = files.read_data()
    name = model if model is not None else content["model"]
    if name is None:
        fail("PD748", "the study's language model was given as an object", help="give it: work(folder, model=…)",
             origin="model")  # fmt: skip
    lm = as_language_model(name)
    if fingerprint(lm) != spec.model["weights"]:
        message = f"{printable(lm.name, 80)} has other weights than the study's {printable(spec.model['name'], 80)}"
        fail("PD748", message, help="give the same model", origin="model")
    if "train" not in content:
        fail("PD748", "the study's rows hold values that JSON does not have", origin="data",
             help="give texts, numbers and lists, or run it in one process")  # fmt: skip
    train, test = Labelled.from_json(content["train"]), Labelled.from_json(content["test"])
    dev = Labelled.from_json(content["dev"]) if "dev" in content else None
    return Job(spec, train, test, dev, lm)


def run_with_workers(spec: StudySpec, files: Folder, workers: int, progress: Progress | None = None) -> None:
    """Start worker processes, and wait until no cell is left.

    Raises:
        TrainingError: PD747 where cells are left because workers ended with an exception.
    """
    waiting = [cell for cell in spec.cells if files.result(spec, cell) is None]
    if not waiting:
        return
    Queue(files.path).fill([spec.key(cell) for cell in waiting], again=True)
    started = [_start(files, min(workers, len(waiting)), number) for number in range(min(workers, len(waiting)))]
    try:
        while True:
            ended = all(process.poll() is not None for process, _ in started)
            waiting = _told(spec, files, waiting, progress)
            if ended:
                break
            time.sleep(WAIT)
    except BaseException:
        for process, _ in started:
            process.terminate()
        raise
    finally:
        for process, _ in started:
            process.wait()
    if waiting:
        _say_why(started, len(waiting))


def _told(spec: StudySpec, files: Folder, waiting: list[Cell], progress: Progress | None) -> list[Cell]:
    """The cells that still have no result, after telling of those that do."""
    left = []
    for cell in waiting:
        result = files.result(spec, cell)
        if result is None:
            left.append(cell)
        elif progress is not None:
            progress(result)
    return left


def _start(files: Folder, workers: int, number: int) -> tuple[subprocess.Popen[bytes], Path]:
    """A worker process and the file of what it says; the processors are shared out among the workers."""
    log = files.path / "workers" / f"worker-{number}.txt"
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    environment = {"OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false", **os.environ}
    command = [sys.executable, "-m", "promptdsl.comparison.worker", str(files.path.absolute())]
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment), log


def _say_why(started: list[tuple[subprocess.Popen[bytes], Path]], left: int) -> None:
    broken = [(process, log) for process, log in started if process.returncode]
    said = broken[0][1].read_text("utf-8", "replace").strip().split("\n")[-1] if broken else ""
    message = f"{left} cells have no result: {len(broken)} of {len(started)} workers ended with an error"
    remedy = "correct the cause and call compare again: it goes on"
    fail("PD747", message, help=remedy, note=printable(said, 250), origin="workers")
