"""Modules that look at a language model which others look at too: what copying, pickling and moving leave alone."""

from __future__ import annotations

from typing import Any

from torch import nn

from promptdsl.models.backbone import Backbone
from promptdsl.models.loading import LanguageModel
from promptdsl.models.prompt import Prompt
from promptdsl.models.reading import MaskReader

__all__ = ["SharedBackbone"]


class SharedBackbone(nn.Module):
    """A module around a language model of which, as long as it is frozen, there is one copy however many modules.

    Attributes:
        lm: the language model; it is never changed.
        backbone: the view of it, or the copy of it that is tuned.
        prompt, reader: what looks through the view.
    """

    lm: LanguageModel
    backbone: Backbone
    prompt: Prompt
    reader: MaskReader

    def __getstate__(self) -> dict[str, Any]:
        """A frozen language model is kept once, in `lm`; the view of it is made anew."""
        state = self.__dict__.copy()
        if not self.backbone.trainable:
            state["_modules"] = {n: m for n, m in self._modules.items() if n != "backbone"}
            weight = self.backbone.output_weight
            state["_view"] = (weight.device, weight.dtype)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        view = state.pop("_view", None)
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if view is not None:
            self.backbone = Backbone(self.lm, device=view[0], dtype=view[1])
        self.prompt.look_at(self.backbone)
        self.reader.look_at(self.prompt)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """What `to`, `half` and their like come to: others look through the same frozen view, which must stay."""
        if not self.backbone.trainable:
            weight = self.backbone.output_weight
            self.backbone = Backbone(self.lm, device=weight.device, dtype=weight.dtype)
            self.prompt.look_at(self.backbone)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
