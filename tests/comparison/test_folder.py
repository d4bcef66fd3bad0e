"""A study on disk: going on, extending, refusing, and what damage does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from comparison.studies import HARD, PLAIN, TEST, TRAIN, WORDS, study
from families import tiny

from promptdsl.comparison import Cell, CellResult, Study
from promptdsl.comparison.folder import Folder
from promptdsl.comparison.running import Job
from promptdsl.comparison.storing import read_checked, write_checked
from promptdsl.errors import FileError, TrainingError


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """The cells that are run from here on."""
    cells: list[Cell] = []
    run = Job.run

    def counted(self: Job, cell: Cell) -> CellResult:
        cells.append(cell)
        return run(self, cell)

    monkeypatch.setattr(Job, "run", counted)
    return cells


def test_a_study_that_stopped_goes_on(tmp_path: Path, ran: list[Cell]) -> None:
    whole = study()
    ran.clear()

    class PowerError(Exception):
        pass

    def cut(result: CellResult) -> None:
        if result.cell == whole.spec.cells[5]:
            raise PowerError

    with pytest.raises(PowerError):
        study(folder=tmp_path, progress=cut)
    half = Study.load(tmp_path)
    assert [r.cell for r in half.results] == list(whole.spec.cells[:6]) and half.pending == whole.spec.cells[6:]
    ran.clear()
    told: list[CellResult] = []
    done = study(folder=tmp_path, progress=told.append)
    assert ran == list(whole.spec.cells[6:]) == [r.cell for r in told]
    assert [r.predicted for r in done.results] == [r.predicted for r in whole.results]


def test_a_study_grows_and_its_cells_count(tmp_path: Path, ran: list[Cell]) -> None:
    study(folder=tmp_path, shots=(2,), seeds=(1,), baselines=("tfidf",))
    ran.clear()
    grown = study(
        folder=tmp_path,
        templates={"plain": PLAIN},
        verbalizers={"manual": WORDS, "other": "bad: never; good: great"},
        shots=(0, 2),
        seeds=(1, 2),
    )
    assert set(grown.spec.templates) == {"hard", "plain"} and not grown.pending
    old = {Cell("hard/manual", 2, 1), Cell("tfidf", 2, 1)}
    assert set(ran) == set(grown.spec.cells) - old and len(ran) == len(set(ran))
    assert grown.spec.baseline == "plain/manual"


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"templates": {"hard": PLAIN}}, 'templates "hard"'),
        ({"verbalizers": {"manual": "bad: bad; good: good"}}, 'verbalizers "manual"'),
        ({"settings": {"max_length": 60}}, 'settings "hard"'),
        ({"data": (TRAIN[2:], TEST)}, "data (train)"),
        ({"data": (TRAIN, TEST[:-1])}, "data (test)"),
        ({"model": tiny("roberta")}, "model (name), model (weights)"),
        ({"support": 3}, "support"),
        ({"random_state": 3}, "random_state"),
    ],
)
def test_another_study_is_refused_and_nothing_changes(tmp_path: Path, more: dict[str, Any], what: str) -> None:
    study(folder=tmp_path, shots=(0,), baselines=())
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.json")}
    with pytest.raises(TrainingError, match="PD742") as caught:
        study(folder=tmp_path, shots=(0, 2), **more)
    assert what in str(caught.value)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.json")} == before


def test_another_order_of_the_same_study_is_the_same(tmp_path: Path, ran: list[Cell]) -> None:
    first = study(folder=tmp_path, seeds=(1, 2))
    ran.clear()
    again = study(
        folder=tmp_path, seeds=(2, 1), shots=(4, 2, 0), templates={"hard": HARD.replace('"mask"', ' "mask" ')}
    )
    assert ran == [] and again == first


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "not json"])
def test_a_damaged_cell_is_run_again(tmp_path: Path, ran: list[Cell], damage: str) -> None:
    first = study(folder=tmp_path, shots=(2,), seeds=(1,))
    cell = first.spec.cells[0]
    file = Folder(tmp_path).file(first.spec, cell)
    text = file.read_text()
    broken = {"cut": text[:-9], "changed": text.replace('"shots":2', '"shots":3'), "empty": "", "not json": "\x00{"}
    assert broken[damage] != text
    file.write_text(broken[damage])
    assert Study.load(tmp_path).pending == (cell,)
    ran.clear()
    assert study(folder=tmp_path, shots=(2,), seeds=(1,)).results[0].predicted == first.results[0].predicted
    assert ran == [cell]


def test_save_and_load_give_the_study_back_without_rows_or_weights(tmp_path: Path) -> None:
    made = study(shots=(0, 2), baselines=("majority",))
    made.save(tmp_path / "saved")
    made.save(tmp_path / "saved")
    loaded = Study.load(tmp_path / "saved")
    assert loaded == made and loaded.rows(resamples=100) == made.rows(resamples=100) and str(loaded) == str(made)
    written = "".join(file.read_text() for file in (tmp_path / "saved").rglob("*.json"))
    assert WORDS.split()[1] in written and not any(row["text_a"] in written for row in (*TRAIN, *TEST))
    other = study(templates={"hard": PLAIN}, shots=(0,), baselines=())
    with pytest.raises(TrainingError, match="PD742"):
        other.save(tmp_path / "saved")


def test_no_study_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="PD743 there is no study"):
        Study.load(tmp_path)
    study(folder=tmp_path, shots=(0,), baselines=())
    file = tmp_path / "study.json"
    file.write_text(file.read_text().replace("hard", "herd"))
    for call in (lambda: Study.load(tmp_path), lambda: study(folder=tmp_path)):
        with pytest.raises(TrainingError, match=r"PD743 .* is damaged"):
            call()


def test_a_study_of_another_version_is_refused(tmp_path: Path) -> None:
    study(folder=tmp_path, shots=(0,), baselines=())
    content = read_checked(tmp_path / "study.json")
    write_checked(tmp_path / "study.json", content | {"format": 99})
    with pytest.raises(TrainingError, match="another version"):
        Study.load(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_no_scraps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cell.json"
    write_checked(file, {"a": 1})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="PD804"):
        write_checked(file, {"a": 2})
    monkeypatch.undo()
    assert read_checked(file) == {"a": 1} and list(tmp_path.iterdir()) == [file]


def test_a_checksum_does_not_depend_on_how_json_is_spelled(tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    write_checked(file, {"b": 0.1, "a": "ü\ud800"})
    stored = json.loads(file.read_bytes().decode("utf-8", "surrogatepass"))
    stored["content"] = dict(reversed(stored["content"].items()))
    file.write_text(json.dumps(stored, indent=2))
    assert read_checked(file) == {"a": "ü\ud800", "b": 0.1}


def test_a_failed_cell_is_run_again_only_when_asked(tmp_path: Path, ran: list[Cell]) -> None:
    long = {"long": '<"placeholder":"text_a"> a b c d e f g h i j k l <"mask">'}
    given: dict[str, Any] = {"templates": long, "settings": {"max_length": 5}, "shots": (2,), "seeds": (1,)}
    first = study(folder=tmp_path, baselines=(), **given)
    assert first.results[0].status == "failed"
    study(folder=tmp_path, baselines=(), **given)
    assert len(ran) == 1
    study(folder=tmp_path, baselines=(), retry=True, **given)
    assert len(ran) == 2


def test_a_baseline_is_run_again_where_the_templates_read_other_columns(tmp_path: Path, ran: list[Cell]) -> None:
    rows = [[row | {"title": "bad good"[i % 2 * 4 :][:4]} for i, row in enumerate(part)] for part in (TRAIN, TEST)]
    given: dict[str, Any] = {"data": tuple(rows), "shots": (2,), "seeds": (1,), "baselines": ("tfidf",)}
    study(folder=tmp_path, **given)
    ran.clear()
    study(folder=tmp_path, templates={"title": '<"placeholder":"title"> <"mask">'}, **given)
    assert ran == [Cell("title/manual", 2, 1), Cell("tfidf", 2, 1)]
