"""Floor 6: templates × verbalizers × shots × seeds, compared on the same splits, with the statistics that go with it.

The way of a study: `StudySpec` (what is compared, as data) → cells → `Task` (one cell with its rows) → `CellResult`
(on disk as soon as there is a folder) → `Study` (table, intervals, tests).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptdsl.comparison.comparing import compare
    from promptdsl.comparison.study import Study
    from promptdsl.comparison.values import Arm, Cell, CellResult
    from promptdsl.comparison.working import work

# Public name → where it lives: a saved study is loaded and drawn again without torch.
_HOMES = {
    "Arm": "promptdsl.comparison.values",
    "Cell": "promptdsl.comparison.values",
    "CellResult": "promptdsl.comparison.values",
    "Study": "promptdsl.comparison.study",
    "compare": "promptdsl.comparison.comparing",
    "work": "promptdsl.comparison.working",
}

__all__ = ["Arm", "Cell", "CellResult", "Study", "compare", "work"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
