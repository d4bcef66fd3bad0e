"""Other frameworks' strings → ours. A further framework is one entry in the table and one function."""

from __future__ import annotations

from collections.abc import Callable

from promptdsl.language.autoprompt import from_autoprompt
from promptdsl.language.lmbff import from_lmbff
from promptdsl.language.openprompt import from_openprompt
from promptdsl.language.openprompt_verbalizer import verbalizer_from_openprompt
from promptdsl.language.template import Template

__all__ = ["IMPORTERS", "from_autoprompt", "from_lmbff", "from_openprompt", "verbalizer_from_openprompt"]

IMPORTERS: dict[str, Callable[[str], Template]] = {
    "openprompt": from_openprompt,
    "lm-bff": from_lmbff,
    "autoprompt": from_autoprompt,
}
