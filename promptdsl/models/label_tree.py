"""Thousands of label words behind one prompt: a prefix tree of their tokens, read in one packed pass of a causal LM.

Scored one by one, each word is a forward pass of the whole prompt. Here the prompt is read once and its keys and
values are kept; a second pass then holds every beginning of every word once, each seeing the prompt and its own
ancestors alone (tree attention: Miao et al. 2024, SpecInfer, section 4.2). The scores are the same, exactly.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from promptdsl.models.backbone import Backbone

__all__ = ["LabelTree", "tree_scores", "tree_supported"]

NODES = 512  # the most nodes of one packed pass: its attention grows with their square
TOKENS = 8192  # the most tokens of one pass, all rows together (one node or line of each row it has in any case)
LOGITS = 2**23  # the most logits that are held at once (those of one node of each row it holds in any case)
WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")  # what configurations call a short attention


@dataclass(frozen=True, slots=True)
class Chunk:
    """Nodes that go through one packed pass.

    Attributes:
        nodes: (n,) their numbers, ancestors first.
        visible: (n, n) bool: row i may see column j, which is i itself or one of its ancestors.
        known: the first so many are there as ancestors only; another chunk reads them.
    """

    nodes: Tensor
    visible: Tensor
    known: int


@dataclass(frozen=True, slots=True, eq=False)
class LabelTree:
    """The prefix tree of some words' tokens. Node 0 is the prompt; the others are what some word goes on from.

    Nodes are in preorder. An edge is a token behind a node, a term a token of a word: terms are in the order of the
    words and their tokens, which is the order of the readings of a causal plan at a single mask.

    Attributes:
        tokens, parents, depths: (nodes,) the node's last token, the node before it, how many tokens it has.
        edge_tokens: (edges,) the tokens behind the nodes, node after node.
        edge_starts: (nodes + 1,) where each node's edges begin.
        terms: (terms,) the edge of each token of each word.
    """

    tokens: Tensor
    parents: Tensor
    depths: Tensor
    edge_tokens: Tensor
    edge_starts: Tensor
    terms: Tensor
    _chunks: dict[int, tuple[Chunk, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, words: Sequence[tuple[int, ...]]) -> LabelTree:
        """The tree of words, each of one token id or more."""
        number = {p: i for i, p in enumerate(sorted({w[:n] for w in words for n in range(len(w))}))}
        pairs = [(number[w[:n]], w[n]) for w in words for n in range(len(w))]
        edge = {pair: i for i, pair in enumerate(sorted(set(pairs)))}
        counts = torch.bincount(torch.tensor([node for node, _ in edge]), minlength=len(number))
        return cls(
            tokens=torch.tensor([p[-1] if p else -1 for p in number]),
            parents=torch.tensor([number[p[:-1]] if p else -1 for p in number]),
            depths=torch.tensor([len(p) for p in number]),
            edge_tokens=torch.tensor([token for _, token in edge]),
            edge_starts=torch.cat((torch.zeros(1, dtype=torch.long), counts.cumsum(0))),
            terms=torch.tensor([edge[pair] for pair in pairs]),
        )

    @property
    def depth(self) -> int:
        """The most tokens that stand behind a prompt: the longest word but its last token."""
        return int(self.depths.max())

    def chunks(self, limit: int) -> tuple[Chunk, ...]:
        """The nodes but the root, in passes of at most `limit`, each with the ancestors that it needs.

        A run in preorder lacks no other ancestors than those of its first node.
        """
        if limit not in self._chunks:
            parents, found, start = self.parents.tolist(), [], 1
            while start < len(parents):
                above = self._path(parents[start])
                stop = min(len(parents), start + max(1, limit - len(above)))
                found.append(_chunk([*above, *range(start, stop)], parents, len(above)))
                start = stop
            self._chunks[limit] = tuple(found)
        return self._chunks[limit]

    def leaves(self) -> Tensor:
        """(leaves,) the nodes that no other node goes on from."""
        inner = torch.zeros(len(self.parents), dtype=torch.bool)
        inner[self.parents[1:]] = True
        return (~inner).nonzero().flatten()

    def _path(self, node: int) -> list[int]:
        """A node and its ancestors, the highest first, without the root."""
        path = []
        while node > 0:
            path.append(node)
            node = int(self.parents[node])
        return path[::-1]

    def __str__(self) -> str:
        return f"label tree of {len(self.terms)} tokens: {len(self.parents)} nodes, {len(self.edge_tokens)} edges"


def _chunk(nodes: list[int], parents: list[int], known: int) -> Chunk:
    place = {node: i for i, node in enumerate(nodes)}
    visible = torch.eye(len(nodes), dtype=torch.bool)
    for i, node in enumerate(nodes):
        if parents[node] > 0:
            visible[i] |= visible[place[parents[node]]]
    return Chunk(torch.tensor(nodes), visible, known)


def tree_scores(
    backbone: Backbone,
    tree: LabelTree,
    input_ids: Tensor,
    attention_mask: Tensor,
    reads: Tensor,
    *,
    packed: bool = True,
) -> Tensor:
    """Log-probabilities of all words' tokens, each given the prompt and the word's tokens before it.

    Args:
        backbone: a causal LM.
        tree: the words.
        input_ids, attention_mask: (batch, length) prompts, padded on the right.
        reads: (batch, reads) of which the last is each prompt's last position.
        packed: whether the nodes of the tree go through the model together (`tree_supported`); else, and where the
            prompts are longer than the model's attention window, each word's context is a line of its own.

    Returns:
        (batch, terms) in the order of `tree.terms`, float32.
    """
    ends = reads[:, -1]
    packed = packed and input_ids.shape[1] + tree.depth <= _window(backbone)
    states = (_packed if packed else _plain)(backbone, tree, input_ids, attention_mask, ends)
    scores = torch.empty(len(tree.edge_tokens), len(input_ids), device=input_ids.device)
    for nodes, found in states:
        for some, of in _by_logits(nodes, found, backbone.vocab_size):
            _score_edges(backbone, tree, some, of, scores)
    return scores.T[:, tree.terms.to(scores.device)]


def _packed(
    backbone: Backbone, tree: LabelTree, input_ids: Tensor, attention_mask: Tensor, ends: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Node numbers and their states, (nodes,) and (batch, nodes, hidden): first the root's, then chunk by chunk."""
    batch, length = input_ids.shape
    cache = DynamicCache()  # of whole layers, whatever the model would keep by itself
    body, device = backbone.lm.base_model, input_ids.device
    options: dict[str, Any] = {"past_key_values": cache, "use_cache": True, "return_dict": True}
    states = body(input_ids=input_ids, attention_mask=attention_mask, **options).last_hidden_state
    yield torch.zeros(1, dtype=torch.long), states[torch.arange(batch, device=device), ends][:, None]
    prompt = torch.arange(length, device=device) <= ends[:, None]
    limit = max(1, min(NODES, TOKENS // batch))
    for chunk in tree.chunks(1 << (limit.bit_length() - 1)):  # a power of two: few kinds of chunks are kept
        n = len(chunk.nodes)
        see = torch.cat(
            (prompt[:, None].expand(batch, n, length), chunk.visible.to(device).expand(batch, n, n)), dim=-1
        )
        dtype = states.dtype
        mask = torch.zeros(see.shape, dtype=dtype, device=device).masked_fill_(~see, torch.finfo(dtype).min)
        states = body(
            input_ids=tree.tokens[chunk.nodes].to(device).expand(batch, n),
            position_ids=ends[:, None] + tree.depths[chunk.nodes].to(device),
            attention_mask=mask[:, None],
            **options,
        ).last_hidden_state
        cache.crop(-n)  # the next chunk sees the prompts alone
        yield chunk.nodes[chunk.known :], states[:, chunk.known :]


def _plain(
    backbone: Backbone, tree: LabelTree, input_ids: Tensor, attention_mask: Tensor, ends: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """As `_packed`, from lines of prompt and context: one for each row and leaf, each node read in its first."""
    batch, length = input_ids.shape
    device = input_ids.device
    paths = [[0, *tree._path(leaf)] for leaf in tree.leaves().tolist()]
    width = length + tree.depth
    step, seen = max(1, TOKENS // (batch * width)), -1
    for start in range(0, len(paths), step):
        some = paths[start : start + step]
        ids = input_ids.new_zeros(batch, len(some), width)
        ids[..., :length] = input_ids[:, None]
        lasts = ends[:, None] + torch.tensor([len(path) - 1 for path in some], device=device)
        places: list[tuple[int, int, int]] = []  # node, line, depth
        for line, path in enumerate(some):
            behind = ends[:, None] + torch.arange(1, len(path), device=device)
            ids[:, line].scatter_(1, behind, tree.tokens[path[1:]].to(device).expand(batch, -1))
            places += [(node, line, depth) for depth, node in enumerate(path) if node > seen]
            seen = max(seen, path[-1])
        mask = (torch.arange(width, device=device) <= lasts[..., None]).to(attention_mask.dtype)
        states = backbone.states(ids.flatten(0, 1), mask.flatten(0, 1))
        states = states.reshape(batch, len(some), *states.shape[1:])
        nodes, lines, depths = torch.tensor(places).T
        rows = torch.arange(batch, device=device)[:, None]
        yield nodes, states[rows, lines.to(device), ends[:, None] + depths.to(device)]


def _by_logits(nodes: Tensor, states: Tensor, vocabulary: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Some nodes at a time, so that their logits over the vocabulary are never there all at once."""
    step = max(1, LOGITS // (len(states) * vocabulary))
    for start in range(0, len(nodes), step):
        yield nodes[start : start + step], states[:, start : start + step]


def _score_edges(backbone: Backbone, tree: LabelTree, nodes: Tensor, states: Tensor, scores: Tensor) -> None:
    """Write the log-probabilities of the tokens behind some nodes into `scores`, (edges, batch).

    Args:
        nodes, states: (n,) and (batch, n, hidden).
    """
    counts = tree.edge_starts[nodes + 1] - tree.edge_starts[nodes]
    owner = torch.repeat_interleave(torch.arange(len(nodes)), counts)
    within = torch.arange(len(owner)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    edges = tree.edge_starts[nodes][owner] + within
    logits = backbone.logits(states.transpose(0, 1).flatten(0, 1)).float()
    logits = logits.reshape(len(nodes), len(states), -1)  # (n, batch, vocabulary)
    at, token = owner.to(scores.device), tree.edge_tokens[edges].to(scores.device)
    scores[edges.to(scores.device)] = logits[at, :, token] - logits.logsumexp(-1)[at]


def _window(backbone: Backbone) -> float:
    """The shortest attention of the model's layers, in tokens; inf where all see everything."""
    config = backbone.lm.config.get_text_config(decoder=True)
    widths = [getattr(config, name, None) for name in WINDOWS]
    return min((w for w in widths if isinstance(w, int)), default=inf)


@torch.no_grad()
def tree_supported(backbone: Backbone) -> bool:
    """Whether packed passes give this very model's own scores, tried out on random tokens.

    It fails where a model has no cache of keys and values (state spaces), takes no positions (ALiBi), or makes an
    attention mask of its own. A packed pass of full size is tried, for some masks are short; some of its words are then
    scored one by one.
    """
    accepted = inspect.signature(backbone.lm.base_model.forward).parameters
    if (
        backbone.has_token_types
        or _window(backbone) < 8
        or not {"past_key_values", "position_ids", "attention_mask"} <= set(accepted)
    ):
        return False
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(backbone.vocab_size, (NODES // 2, 3), generator=generator)
    drawn[::2, 0] = drawn[1::2, 0]  # words in pairs that begin alike
    words = [tuple(word) for word in drawn.tolist()]
    prompts = torch.randint(backbone.vocab_size, (2, 6), generator=generator).to(backbone.device)
    reads = torch.tensor([[5], [2]], device=backbone.device)
    mask = (torch.arange(6, device=backbone.device) <= reads).long()
    chosen = [0, 1, *(max(range(len(words)), key=lambda i: words[i]) ^ one for one in (0, 1))]
    allowed = max(1e-4, 8 * torch.finfo(backbone.lm.dtype).eps)
    try:
        found = tree_scores(backbone, LabelTree.of(words), prompts, mask, reads).reshape(2, -1, 3)[:, chosen]
        some = LabelTree.of([words[i] for i in chosen])
        plain = tree_scores(backbone, some, prompts, mask, reads, packed=False).reshape(2, -1, 3)
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError):
        return False
    return bool((found - plain).abs().max() <= allowed * plain.abs().max())
