"""Predictions as rows of a file: CSV for spreadsheets, JSON lines for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from promptdsl.errors import fail, printable

__all__ = ["WRITERS", "Prediction", "as_csv", "as_jsonl", "check_output", "write_predictions"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row's outcome: its number from 0, the likeliest label, and each class's probability.

    `given` is the label that the data had, if they had one.
    """

    row: int
    label: str
    probabilities: dict[str, float]
    given: str | None = None


def as_csv(found: Sequence[Prediction]) -> str:
    """`row,label,p(…),…` and, where the data have labels, `given`; a header line first."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    given = any(p.given is not None for p in found)
    classes = list(found[0].probabilities) if found else []
    writer.writerow(["row", "label", *(f"p({c})" for c in classes), *(["given"] if given else [])])
    for p in found:
        shown = [f"{v:.6f}" for v in p.probabilities.values()]
        writer.writerow([p.row, p.label, *shown, *([p.given or ""] if given else [])])
    return out.getvalue()


def as_jsonl(found: Sequence[Prediction]) -> str:
    """One object a line: row, label, probabilities and, where the data have one, the given label."""
    lines = []
    for p in found:
        data: dict[str, object] = {"row": p.row, "label": p.label}
        data["probabilities"] = {c: round(v, 6) for c, v in p.probabilities.items()}
        if p.given is not None:
            data["given"] = p.given
        lines.append(json.dumps(data, ensure_ascii=False) + "\n")
    return "".join(lines)


# What the name of an output file ends with → how predictions are written.
WRITERS = {".csv": as_csv, ".jsonl": as_jsonl}


def check_output(path: str) -> None:
    """Raise FileError PD810 before any work is done for a file that is none of `WRITERS`."""
    if Path(path).suffix.lower() not in WRITERS:
        fail("PD810", f'predictions cannot be written as "{printable(path, 100)}"', origin="file",
             help=f"end the name with {' or '.join(WRITERS)}")  # fmt: skip


def write_predictions(path: str, found: Sequence[Prediction]) -> None:
    """Write a whole file, or leave what was there. Raises FileError PD817 where the file cannot be written."""
    target = Path(path)
    draft = target.with_name(f".{target.name}.part")
    try:
        draft.write_text(WRITERS[target.suffix.lower()](found), "utf-8", newline="")
        draft.replace(target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        fail("PD817", f'the file "{printable(path, 100)}" cannot be written: {error.strerror or error}', origin="file",
             help="check that the folder exists and may be written to")  # fmt: skip
