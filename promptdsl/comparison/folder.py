"""A study on disk: `study.json`, what it is; `cells/`, one file for each finished cell; `data.json`, for workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdsl.comparison.spec import FORMAT, StudySpec
from promptdsl.comparison.storing import canonical, read_checked, write_checked
from promptdsl.comparison.values import Cell, CellResult
from promptdsl.errors import fail, printable

__all__ = ["Folder"]


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one study. Every file is written whole; a damaged cell is as one that is not there."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> tuple[StudySpec, tuple[str, ...]] | None:
        """The study and the true labels of its test rows; None where there is none yet.

        Raises:
            TrainingError: PD743 for a damaged study, or one of a newer promptdsl.
        """
        file = self.path / "study.json"
        if not file.is_file():
            return None
        content = read_checked(file)
        if content is None or content.get("format") != FORMAT:
            found = "is damaged" if content is None else "was written by another version of promptdsl"
            fail("PD743", f"{printable(str(file), 160)} {found}", help="give another folder", origin="folder")
        return StudySpec.from_json(content["spec"]), tuple(content["truth"])

    def require(self) -> tuple[StudySpec, tuple[str, ...]]:
        """As `read`; PD743 where there is no study."""
        found = self.read()
        if found is None:
            message = f"there is no study in {printable(str(self.path), 160)}"
            fail("PD743", message, help="give the folder that compare wrote", origin="folder")
        return found

    def open(self, spec: StudySpec, truth: tuple[str, ...]) -> StudySpec:
        """Write down what the study is; one that is there already is extended, and its cells count.

        Raises:
            TrainingError: PD742 where it is another study, PD743 where it cannot be read.
            FileError: PD804 where it cannot be written.
        """
        known = self.read()
        merged = spec if known is None else known[0].extended(spec)
        content = {"format": FORMAT, "spec": merged.as_json(), "truth": list(truth)}
        if known is None or canonical(merged.as_json()) != canonical(known[0].as_json()):
            write_checked(self.path / "study.json", content)
        return merged

    def file(self, spec: StudySpec, cell: Cell) -> Path:
        """Where the result of a cell is."""
        return self.path / "cells" / f"{spec.key(cell)}.json"

    def result(self, spec: StudySpec, cell: Cell) -> CellResult | None:
        """The result of a cell; None where there is none, or a damaged one."""
        content = read_checked(self.file(spec, cell))
        return None if content is None else CellResult.from_json(content)

    def results(self, spec: StudySpec) -> Iterator[CellResult]:
        """The results that are there, in the order of the cells."""
        for cell in spec.cells:
            found = self.result(spec, cell)
            if found is not None:
                yield found

    def keep(self, spec: StudySpec, result: CellResult) -> None:
        """Write a result."""
        write_checked(self.file(spec, result.cell), result.as_json())

    def forget(self, spec: StudySpec, cell: Cell) -> None:
        """Remove a result, so that the cell is run again."""
        self.file(spec, cell).unlink(missing_ok=True)

    def write_data(self, content: Mapping[str, Any]) -> None:
        """The rows, for workers that were not given them."""
        write_checked(self.path / "data.json", content)

    def read_data(self) -> Any:
        """What `write_data` wrote. Raises TrainingError PD743 where it is not there, or damaged."""
        content = read_checked(self.path / "data.json")
        if content is None:
            message = f"{printable(str(self.path), 160)} has no data for workers"
            fail("PD743", message, help="run compare(…, folder=…) on it once", origin="folder")
        return content
