"""The queue of cells that processes and machines share: an Optuna study in a journal file, each cell enqueued once."""

from __future__ import annotations

import os
import platform
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from promptdsl.errors import fail

__all__ = ["Queue"]

BEAT = 5.0  # seconds between two signs of life of a worker
STALE = 60.0  # seconds without one after which a worker counts as dead


class Queue:
    """Cells that wait, run and are finished, by key. What a cell came to is in its own file, not here.

    A trial of the Optuna study is one attempt at a cell. A RUNNING one is stale if its worker is dead: its process is
    gone, or it has given no sign of life for a minute.

    Args:
        folder: where the journal and the workers' signs of life are.

    Raises:
        TrainingError: PD744 where Optuna is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import optuna
        except ImportError:
            fail("PD744", "workers take Optuna", help='pip install "promptdsl[sweep]", or workers=1', origin="workers")
        self._optuna: Any = optuna
        self._alive = folder / "workers"
        self._alive.mkdir(parents=True, exist_ok=True)
        self._journal = folder / "journal.log"
        self.worker = f"{uuid.uuid4().hex}|{os.getpid()}|{platform.node()}"
        with _quiet(optuna), self._locked():
            self._study = self._open()

    def _open(self) -> Any:
        """The Optuna study; a journal that was torn is put aside, for the cells' files say what is done."""
        try:
            return self._create()
        except (ValueError, KeyError, AssertionError):
            self._journal.replace(self._journal.with_suffix(f".{uuid.uuid4().hex[:8]}.damaged"))
            return self._create()

    def _create(self) -> Any:
        journal = self._optuna.storages.journal
        backend = journal.JournalFileBackend(str(self._journal))
        return self._optuna.create_study(
            storage=self._optuna.storages.JournalStorage(backend),
            sampler=self._optuna.samplers.RandomSampler(seed=0),
            study_name="cells",
            direction="maximize",
            load_if_exists=True,
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time, with Optuna's own lock of files."""
        lock = self._optuna.storages.journal.JournalFileSymlinkLock(str(self._journal) + ".fill")
        lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def fill(self, keys: Sequence[str], *, again: bool = False) -> None:
        """Enqueue the cells that neither wait nor run; fail stale attempts first.

        Args:
            keys: the cells that have no result.
            again: also those whose last attempt ended with an exception.
        """
        states = self._optuna.trial.TrialState
        with _quiet(self._optuna), self._locked():
            known: set[str] = set()
            broken: set[str] = set()
            for trial in self._study.get_trials(deepcopy=False):
                key = trial.user_attrs.get("cell")
                if trial.state == states.RUNNING and self._is_stale(trial):
                    self._study.tell(trial.number, state=states.FAIL)
                elif trial.state in (states.RUNNING, states.WAITING):
                    known.add(key)
                elif "error" in trial.user_attrs:
                    broken.add(key)
            for key in keys:
                if key not in known and (again or key not in broken):
                    self._study.enqueue_trial({}, user_attrs={"cell": key})

    def take(self) -> tuple[Any, str] | None:
        """A cell to run, and the trial that it is; None where none waits."""
        states = self._optuna.trial.TrialState
        with _quiet(self._optuna):
            if not self._study.get_trials(deepcopy=False, states=(states.WAITING,)):
                return None
            trial = self._study.ask()
            key = trial.user_attrs.get("cell")
            if key is None:  # another worker was faster, and Optuna made a new trial
                self._study.tell(trial, state=states.FAIL)
                return None
            trial.set_user_attr("worker", self.worker)
            return trial, key

    def finish(self, trial: Any, value: float | None) -> None:
        """The cell has a result; `value` is its accuracy, None where it has none."""
        states = self._optuna.trial.TrialState
        with _quiet(self._optuna):
            if value is None:
                self._study.tell(trial, state=states.PRUNED)
            else:
                self._study.tell(trial, value)

    def broke(self, trial: Any, error: BaseException) -> None:
        """Running the cell ended with an exception."""
        with _quiet(self._optuna):
            trial.set_user_attr("error", f"{type(error).__name__}: {error}"[:500])
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def is_busy(self) -> bool:
        """Whether some worker that is alive runs a cell."""
        states = self._optuna.trial.TrialState
        with _quiet(self._optuna):
            running = self._study.get_trials(deepcopy=False, states=(states.RUNNING,))
        return any(not self._is_stale(trial) for trial in running)

    def _is_stale(self, trial: Any) -> bool:
        """Whether the worker of a running trial is dead."""
        worker = trial.user_attrs.get("worker")
        if worker is None:  # killed between taking the trial and signing it, or about to sign
            return bool(datetime.now() - trial.datetime_start > timedelta(seconds=STALE))
        name, pid, host = worker.split("|", 2)
        if host == platform.node() and not _runs(int(pid)):
            return True
        return self._silent_for(name) > STALE

    def _silent_for(self, name: str) -> float:
        """Seconds since a worker's last sign of life, by the clock of the file system."""
        clock = self._alive / f"{self.worker.partition('|')[0]}.clock"
        clock.touch()
        now = clock.stat().st_mtime
        clock.unlink(missing_ok=True)
        try:
            return now - (self._alive / name).stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    @contextmanager
    def signs_of_life(self) -> Iterator[None]:
        """While this lasts, other processes see that this worker is alive."""
        beat = self._alive / self.worker.partition("|")[0]
        beat.touch()
        stop = threading.Event()

        def go_on() -> None:
            while not stop.wait(BEAT):
                beat.touch()

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            beat.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    """Whether there is a process of this number here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Optuna says nothing meanwhile: a library does not print."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
