"""What a PromptModel is made of, as one value: it is made anew, or shared by all who ask for the same."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from promptdsl.language.expansion import KNOWLEDGE, replace_items
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.loading import LanguageModel
from promptdsl.models.prompt_model import PromptModel

__all__ = ["Recipe"]

KEPT = 64  # PromptModels that a language model keeps for use again
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What a PromptModel is made of, but for what of the language model is tuned.

    Attributes:
        lm: the language model.
        template, verbalizer: the two strings, as PromptModel takes them.
        max_length, dtype, device, multi_label: as PromptModel takes them.
    """

    lm: LanguageModel
    template: Any
    verbalizer: Any
    max_length: int | None
    dtype: str
    device: str | None
    multi_label: bool

    def made(self, tune: Any = "prompt", *, verbalizer: Any = None, **options: Any) -> PromptModel:
        """A new PromptModel, of another verbalizer if one is given; the options are those of PromptModel."""
        return PromptModel(
            self.lm,
            self.template,
            self.verbalizer if verbalizer is None else verbalizer,
            tune=tune,
            max_length=self.max_length,
            dtype=self.dtype,
            device=self.device,
            multi_label=self.multi_label,
            **options,
        )

    def shared(self) -> PromptModel:
        """The frozen PromptModel that all recipes with the same strings have; it is left as it is."""
        words = Verbalizer(self.verbalizer)
        now = replace_items(words, {"words": KNOWLEDGE["words"]})  # the words that files have now
        key = (Template(self.template), now, self.max_length, self.dtype, self.device, self.multi_label)
        kept = self.lm.built
        with _lock:
            if key not in kept:
                if len(kept) >= KEPT:
                    kept.clear()
                kept[key] = self.made(verbalizer=words)
            return kept[key]  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f"{self.template} · {self.verbalizer} on {self.lm}"
