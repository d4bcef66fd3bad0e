"""Worker processes that share a folder: each cell once, a killed worker's cell again."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from comparison.studies import HARD, TEST, TRAIN, WORDS, study
from families import tiny
from optuna.trial import TrialState

from promptdsl.comparison import CellResult, Study, work
from promptdsl.comparison.folder import Folder
from promptdsl.comparison.queueing import Queue
from promptdsl.errors import TrainingError


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny model in a folder: workers load it by its name."""
    folder = tmp_path_factory.mktemp("model")
    model, tokenizer = tiny("bert")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def same(result: CellResult) -> CellResult:
    """Without the seconds."""
    return dataclasses.replace(result, fit_seconds=None, predict_seconds=None)


def trials(folder: Path) -> list[Any]:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name="cells", storage=storage).get_trials()


def test_two_workers_share_the_cells_and_find_what_one_process_finds(tmp_path: Path, named: str) -> None:
    alone = study(model=named)
    told: list[CellResult] = []
    shared = study(model=named, folder=tmp_path, workers=2, progress=told.append)
    assert [same(r) for r in shared.results] == [same(r) for r in alone.results]
    assert sorted(map(str, told)) == sorted(map(str, shared.results))
    keys = [t.user_attrs["cell"] for t in trials(tmp_path) if "cell" in t.user_attrs]
    assert sorted(keys) == sorted(alone.spec.key(cell) for cell in alone.spec.cells)
    assert {t.state for t in trials(tmp_path) if "cell" in t.user_attrs} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({t.user_attrs["worker"] for t in trials(tmp_path) if "worker" in t.user_attrs}) == 2


def slow_worker(folder: Path) -> subprocess.Popen[bytes]:
    """A worker that stays in its first cell."""
    code = (
        "import sys, time\n"
        "from promptdsl.comparison.running import Job\n"
        "Job.run = lambda self, cell: time.sleep(600)\n"
        "from promptdsl.comparison import work\n"
        "work(sys.argv[1])"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(folder)])


def test_the_cell_of_a_killed_worker_is_run_again_and_counted_once(tmp_path: Path, named: str) -> None:
    given: dict[str, Any] = {"model": named, "shots": (2,), "folder": tmp_path}
    whole = study(**given | {"folder": None})
    first = whole.spec.cells[0]

    def stop(result: CellResult) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(**given, progress=stop)
    killed = slow_worker(tmp_path)
    try:
        deadline = time.monotonic() + 300
        while not (tmp_path / "journal.log").exists() or not any(
            t.state == TrialState.RUNNING and "worker" in t.user_attrs for t in trials(tmp_path)
        ):
            assert time.monotonic() < deadline and killed.poll() is None
            time.sleep(0.1)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    (running,) = [t for t in trials(tmp_path) if t.state == TrialState.RUNNING]
    assert work(tmp_path) == len(whole.spec.cells) - 1
    done = Study.load(tmp_path)
    assert not done.pending and [same(r) for r in done.results] == [same(r) for r in whole.results]
    attempts = [t for t in trials(tmp_path) if t.user_attrs.get("cell") == running.user_attrs["cell"]]
    assert [t.state for t in attempts] == [TrialState.FAIL, TrialState.COMPLETE]
    counts = [t.user_attrs["cell"] for t in trials(tmp_path) if t.state != TrialState.FAIL]
    assert len(counts) == len(set(counts)) == len(whole.spec.cells) - 1 and whole.spec.key(first) not in counts


def test_work_takes_what_is_left_here_too(tmp_path: Path, named: str) -> None:
    whole = study(model=named, shots=(2,), folder=tmp_path)
    files = Folder(tmp_path)
    for cell in whole.spec.cells[2:5]:
        files.forget(whole.spec, cell)
    assert work(tmp_path) == 3 and work(tmp_path) == 0
    assert [same(r) for r in Study.load(tmp_path).results] == [same(r) for r in whole.results]


def test_a_living_workers_cell_is_left_to_it(tmp_path: Path) -> None:
    mine, other = Queue(tmp_path), Queue(tmp_path)
    mine.fill(["a", "b"])
    with mine.signs_of_life():
        taken = mine.take()
        assert taken is not None and taken[1] == "a"
        other.fill(["a", "b"])
        assert other.is_busy()
        second = other.take()
        assert second is not None and second[1] == "b" and other.take() is None
    other.fill(["a", "b"])  # it gives no signs of life any more
    again = other.take()
    assert again is not None and again[1] == "a"


def test_a_cell_that_breaks_a_worker_is_not_tried_by_the_next(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.fill(["a"])
    trial, _ = queue.take() or (None, "")
    queue.broke(trial, MemoryError("no room"))
    queue.fill(["a"])
    assert queue.take() is None
    queue.fill(["a"], again=True)
    assert (queue.take() or (None, ""))[1] == "a"


def test_a_torn_journal_is_put_aside(tmp_path: Path) -> None:
    Queue(tmp_path).fill(["a"])
    journal = tmp_path / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-20] + b"\n{}\n")
    queue = Queue(tmp_path)
    queue.fill(["a"])
    assert (queue.take() or (None, ""))[1] == "a" and queue.take() is None
    assert len(list(tmp_path.glob("journal.*.damaged"))) == 1


def test_workers_need_a_name_and_a_broken_one_says_why(tmp_path: Path, named: str) -> None:
    with pytest.raises(TrainingError, match="PD748"):
        study(folder=tmp_path, workers=2)
    assert not list(tmp_path.iterdir())
    study(folder=tmp_path, shots=(0,), baselines=())
    with pytest.raises(TrainingError, match="PD748"):
        work(tmp_path)
    with pytest.raises(TrainingError, match="PD748"):
        work(tmp_path, model=tiny("roberta"))
    with pytest.raises(TrainingError, match="PD743"):
        work(tmp_path / "nothing")


def test_rows_that_json_does_not_have_are_refused_by_workers(tmp_path: Path, named: str) -> None:
    import datetime

    rows = [row | {"day": datetime.date(2020, 1, 1)} for row in TRAIN]
    study(data=(rows, TEST), model=named, folder=tmp_path, shots=(0,), baselines=())
    with pytest.raises(TrainingError, match="PD748 the study's rows"):
        work(tmp_path)
    with pytest.raises(TrainingError, match="PD748 the rows"):
        study(data=(rows, TEST), model=named, folder=tmp_path, workers=2)


def test_no_workers_without_optuna(tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(TrainingError, match="PD744"):
        study(model=named, folder=tmp_path, workers=2)
    assert study(model=named, folder=tmp_path, shots=(0,), templates={"hard": HARD}, verbalizers={"manual": WORDS})
