"""States at the masks → what a verbalizer looks at, with no more of the LM head than it needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.encoder import Layout
from promptdsl.models.backbone import Backbone
from promptdsl.models.kept_states import read_states
from promptdsl.models.label_tree import LabelTree, tree_scores, tree_supported
from promptdsl.models.prompt import Prompt
from promptdsl.verbalizers.head import Observations
from promptdsl.verbalizers.multi_token import group_scores
from promptdsl.verbalizers.verbalizer import BoundVerbalizer

__all__ = ["MaskReader"]

LOGITS = 2**25  # the most logits that are held at once where rows have label words of their own


class MaskReader(nn.Module):
    """Reads label words' tokens, mask states and features where a bound verbalizer wants them.

    Args:
        prompt: what the template trains, around the language model; it stays the caller's.
        bound: the verbalizer.
        program: the template that it was bound to.
    """

    _place_fill: Tensor
    _place_read: Tensor
    _term_place: Tensor
    _term_token: Tensor
    _token_ids: Tensor

    def __init__(self, prompt: Prompt, bound: BoundVerbalizer, program: TokenProgram) -> None:
        super().__init__()
        self._shared = (prompt,)  # not registered: its parameters are the PromptModel's
        self.bound = bound
        self.tree = _tree(prompt, bound, program)
        self.layouts = (Layout(((),)),) if self.tree else tuple(Layout(fill) for fill in bound.fills)
        self.room = max((sum(map(len, fill)) for fill in bound.fills), default=0)
        fill = bound.state_fill
        alone = fill is None or program.family != "masked"
        # Mask states of one row: one for each mask position; on a causal LM, and in a decoder, that of the first mask.
        self.rest_reads = 1 if alone or fill is None else sum(map(len, bound.fills[fill]))
        places = sorted({(r.fill, r.read) for r in bound.readings})
        place_of = {place: i for i, place in enumerate(places)}
        column_of = {token: token if bound.normalised else i for i, token in enumerate(bound.token_ids)}
        self._table("_place_fill", [f for f, _ in places])
        self._table("_place_read", [r for _, r in places])
        self._table("_term_place", [place_of[r.fill, r.read] for r in bound.readings])
        self._table("_term_token", [column_of[r.token] for r in bound.readings])
        self._table("_token_ids", list(bound.token_ids))

    def _table(self, name: str, values: list[int]) -> None:
        table = torch.tensor(values, dtype=torch.long, device=self.backbone.device)
        self.register_buffer(name, table, persistent=False)

    def look_at(self, prompt: Prompt) -> None:
        """Read through another prompt of the same template."""
        self._shared = (prompt,)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_shared"}  # the PromptModel's

    @property
    def backbone(self) -> Backbone:
        """The language model."""
        return self._shared[0].backbone

    @property
    def prompt(self) -> Prompt:
        """What the template trains, around the language model."""
        return self._shared[0]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        reads: Tensor,
        token_type_ids: Tensor | None = None,
        soft: Tensor | None = None,
        word_tokens: Tensor | None = None,
        word_weights: Tensor | None = None,
        word_groups: Tensor | None = None,
        target: Tensor | None = None,
        target_of: Tensor | None = None,
        *,
        normalised: bool = False,
    ) -> Observations:
        """What there is to see in a batch as `PromptModel.forward` has it; `normalised` asks for log-probabilities."""
        if word_tokens is not None and word_weights is not None and word_groups is not None:
            states = self.prompt.states(input_ids, attention_mask, token_type_ids, soft, target, target_of)
            return self._of_rows(states, reads, word_tokens, word_weights, word_groups)
        given = input_ids, attention_mask, reads, token_type_ids, soft, target, target_of
        picked = self.picked(*given) if self._needs_states else None
        if self.tree is not None:
            packed = self.backbone.once("tree", tree_supported)
            terms = tree_scores(self.backbone, self.tree, input_ids, attention_mask, reads, packed=packed)
        else:
            assert picked is not None
            terms = self._token_scores(picked[:, self._place_fill, self._place_read], normalised)
        none = terms.new_zeros(len(terms), 0)
        rest = (none, none, none.sum(1)) if picked is None else self._at_rest(picked)
        return Observations(self.bound.word_scores(terms), *rest)

    def _of_rows(self, states: Tensor, reads: Tensor, tokens: Tensor, weights: Tensor, groups: Tensor) -> Observations:
        """What there is to see where each row has label words of its own; `tokens` … as `Terms` has them."""
        line, number, token, group = tokens.unbind(1)
        length = states.shape[1]
        places, place = torch.unique(line * length + reads[line, number], return_inverse=True)
        read = self._log_proba(states.flatten(0, 1)[places], place, token)
        reduce = self.bound.plan.reduce
        scores = group_scores(read, group, weights, groups, columns=len(self.bound.owners), reduce=reduce)
        none = scores.new_zeros(len(scores), 0)
        return Observations(scores, none, none, none.sum(1))

    def _log_proba(self, states: Tensor, place: Tensor, token: Tensor) -> Tensor:
        """log p(token) at one of some states: (places, hidden), (terms,), (terms,) → (terms,)."""
        at_once = max(1, LOGITS // self.backbone.vocab_size)
        found = states.new_zeros(len(token), dtype=self.backbone.precision)
        for start in range(0, len(states), at_once):
            log_p = self.backbone.logits(states[start : start + at_once]).to(self.backbone.precision).log_softmax(-1)
            here = ((place >= start) & (place < start + at_once)).nonzero()[:, 0]
            found = found.index_put((here,), log_p[place[here] - start, token[here]])
        return found

    @property
    def _needs_states(self) -> bool:
        return self.tree is None or self.bound.state_fill is not None

    def picked(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        reads: Tensor,
        token_type_ids: Tensor | None = None,
        soft: Tensor | None = None,
        target: Tensor | None = None,
        target_of: Tensor | None = None,
    ) -> Tensor:
        """States at what is read, (batch, layouts, reads, hidden), of a batch as `PromptModel.forward` has it."""
        given = input_ids, attention_mask, token_type_ids, soft, target, target_of
        picked = read_states(self.prompt, reads, *given)
        return picked.reshape(-1, len(self.layouts), *picked.shape[1:])

    def nothing(self) -> Observations:
        """The observations of no rows."""
        columns = len(self.bound.words) + len(self.bound.from_rows)
        empty = torch.zeros(0, columns, device=self.backbone.device)
        return Observations(empty, empty[:, :0], empty[:, :0], empty.sum(1))

    @property
    def _rest_layout(self) -> int:
        """The layout whose reads are the mask states; the tree's only layout is at rest."""
        return 0 if self.tree is not None else self.bound.state_fill or 0

    def _token_scores(self, places: Tensor, normalised: bool) -> Tensor:
        """(batch, places, hidden) → (batch, terms)."""
        if not len(self._token_ids):
            return places.new_zeros(len(places), 0, dtype=self.backbone.precision)
        flat = places.flatten(0, 1)
        if self.bound.normalised or normalised:
            scores = self.backbone.logits(flat).to(self.backbone.precision).log_softmax(-1)
            scores = scores if self.bound.normalised else scores[:, self._token_ids]
        else:
            scores = self.backbone.rows(flat, self._token_ids).to(self.backbone.precision)
        scores = scores.reshape(*places.shape[:2], -1)
        return scores[:, self._term_place, self._term_token]

    def _at_rest(self, picked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask states, features and normaliser, as `Observations` has them."""
        none = picked.new_zeros(len(picked), 0, dtype=self.backbone.precision)
        if self.bound.state_fill is None:
            return none, none, none.sum(1)
        states = picked[:, self._rest_layout, : self.rest_reads]
        features, normaliser = none, none.sum(1)
        if self.bound.soft:
            features = self.backbone.features(states[:, 0]).to(self.backbone.precision)
            if self.bound.normalised:
                normaliser = self.backbone.logits(states[:, 0]).to(self.backbone.precision).logsumexp(-1)
        return states.flatten(1).to(self.backbone.precision), features, normaliser


def _tree(prompt: Prompt, bound: BoundVerbalizer, program: TokenProgram) -> LabelTree | None:
    """The label words as a tree behind one prompt: on a frozen causal LM, where some have several tokens."""
    masks = program.masks
    if (
        program.family != "causal"
        or prompt.learns
        or prompt.backbone.trainable
        or len(masks) > 1
        or not bound.plan.normalised
    ):
        return None
    tree = LabelTree.of([w.parts[0] for w in bound.words])
    return tree if len(tree.terms) == len(bound.readings) else None
