"""What of a template and a verbalizer needs rows before it can predict."""

from __future__ import annotations

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.errors import fail
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.resolving import refinements
from promptdsl.verbalizers.priors import calibration_of
from promptdsl.verbalizers.verbalizer import BoundVerbalizer

__all__ = ["NEEDS_LABELS", "refuse_unfitted", "unfitted"]

NEEDS_LABELS = frozenset({"auto", "cluster", "prototype", "demos", "soft", "prefix"})


def unfitted(bound: BoundVerbalizer, program: TokenProgram) -> frozenset[str]:
    """Kinds of tags that have not seen the rows that they need."""
    found = {*bound.unresolved, *(a.kind for a in bound.abstract)}
    if refinements(bound.verbalizer):
        found.add("refine")
    calibration = calibration_of(bound.verbalizer)
    if calibration is not None and calibration.inputs == "support":
        found.add("calibrate")
    if any(s.kind == "pool" and s.value == "weighted" for s in bound.verbalizer.steps):
        found.add("pool")
    if program.demos is not None:
        found.add("demos")
    return frozenset(found)


def refuse_unfitted(verbalizer: Verbalizer, kinds: frozenset[str]) -> None:
    """Raise TrainingError PD713 that names the tags and how to fit them."""
    shown = ", ".join(f'"{kind}"' for kind in sorted(kinds))
    remedy = "call fit(rows, labels)" if kinds & NEEDS_LABELS else "call fit(rows); unlabelled rows will do"
    message = f"{shown} learn{'s' if len(kinds) == 1 else ''} from rows, and none were given yet"
    fail("PD713", message, help=remedy, source=verbalizer.source, origin="training")
