"""The trainable keys and values of every layer: how they start, what they go through, what is left after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.errors import fail
from promptdsl.language.nodes import Tag
from promptdsl.models.artefact_files import stored_table
from promptdsl.models.backbone import Backbone
from promptdsl.models.prefix_support import recorded, refuse_unsupported, states_behind
from promptdsl.models.prefix_ways import Pairs, positions_from
from promptdsl.models.random_state import seeded
from promptdsl.models.soft_tokens import sampled_words

__all__ = ["INITS", "Prefix"]

DRAWN_FROM = 32  # words, at least, whose keys and values give the mean and the deviation of drawn ones


class Prefix(nn.Module):
    """Keys and values that stand before those of the tokens in every layer, the same for all rows.

    One row of the table holds all that one position puts into the layers. It is its start plus `scale` times what is
    learned: offsets (P-tuning v2: Liu et al. 2022, section 3.2), or what a network makes of a small vector (prefix
    tuning: Li & Liang 2021, section 4.3). The scale is the deviation of each layer's own keys, or values, so that one
    learning rate suits all layers and models; the network's last layer starts at zero, so that training begins
    at the start. That is what the model makes of real words (Li & Liang 2021, section 7.3).

    The prefix takes the first positions: tokens are numbered on from its length.

    Args:
        program: a bound template with a prefix tag.
        backbone: the language model; it stays the caller's.
        label_words: for each label word its token ids, for `init: "labels"`.
        seed: of what is sampled, and of the network's first weights.

    Raises:
        ModelError: PD530 for a model that takes no prefix, PD531 where the prefix leaves no position for a token.
    """

    start: Tensor
    scale: Tensor

    def __init__(
        self, program: TokenProgram, backbone: Backbone, label_words: Sequence[Sequence[int]] = (), *, seed: int = 0
    ) -> None:
        super().__init__()
        tag = next(p for p in program.template.pieces if isinstance(p, Tag) and p.kind == "prefix")
        refuse_unsupported(backbone)
        positions = _check_room(backbone, program.prefix)
        starts = Starts(program, label_words, np.random.default_rng(seed))
        how, _, argument = str(tag["init"]).partition(":")
        count = max(program.prefix, DRAWN_FROM) if how == "normal" else program.prefix
        words = recorded(backbone, starts.ids(how, argument, min(count, positions or count)))
        self.shapes = tuple((keys.shape[0], keys.shape[2], values.shape[2]) for keys, values in words)
        made = TABLES[how](starts, argument, _table(words)) if how in TABLES else _table(words)
        self.register_buffer("start", made)
        self.register_buffer("scale", _deviations(words))
        self.learned: nn.Module = Offsets(self.start)
        if tag["encoder"] is not None:
            width = backbone.input_embeddings().shape[1]
            self.learned = _seeded(str(tag["encoder"]), width, int(str(tag["hidden"])), self.start, seed)
        self.dropout = nn.Dropout(float(str(tag["dropout"])))

    def table(self) -> Tensor:
        """(n, width): one row for each position of the prefix, all layers' keys and values side by side."""
        made: Tensor = self.start + self.scale * self.learned()
        return made

    def forward(self) -> Pairs:
        """For each layer its keys, (kv heads, n, key width), and values, (kv heads, n, value width)."""
        table = self.dropout(self.table())
        sizes = [size for heads, key, value in self.shapes for size in (heads * key, heads * value)]
        heads = [heads for heads, _, _ in self.shapes for _ in range(2)]
        parts = [p.unflatten(1, (h, -1)).transpose(0, 1) for p, h in zip(table.split(sizes, 1), heads, strict=True)]
        return list(zip(parts[::2], parts[1::2], strict=True))

    def states(
        self,
        backbone: Backbone,
        input_ids: Tensor | None,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Last hidden states behind the prefix, (batch, length, hidden); the arguments of `Backbone.states`."""
        return states_behind(backbone, self(), input_ids, attention_mask, token_type_ids, inputs_embeds)

    @property
    def networks(self) -> list[nn.Module]:
        """The network, if there is one."""
        return [] if isinstance(self.learned, Offsets) else [self.learned]

    @torch.no_grad()
    def bake(self) -> None:
        """Put what the network gives in its place: the same keys and values, bit for bit."""
        self.keep(self.table())

    @torch.no_grad()
    def keep(self, table: Tensor) -> None:
        """Make (n, width) the table, without a network."""
        self.start = table.detach().clone().to(self.start)
        self.learned = Offsets(self.start)

    def __str__(self) -> str:
        count, width = self.start.shape
        through = "" if isinstance(self.learned, Offsets) else " through a network"
        return f"prefix of {count} in {len(self.shapes)} layers, {width} numbers a position{through}"


@dataclass(frozen=True, eq=False)
class Starts:
    """What a prefix can start from.

    Attributes:
        program: the bound template.
        label_words: for each label word its token ids.
        random: where everything that is sampled comes from.
    """

    program: TokenProgram
    label_words: Sequence[Sequence[int]]
    random: np.random.Generator

    def ids(self, how: str, argument: str, count: int) -> list[int]:
        """`count` tokens: first what is named, cut to that length, then sampled words."""
        named = INITS[how](self, argument)[:count]
        return [*named, *sampled_words(self.program.text, count - len(named), self.random)]

    def text(self, text: str) -> list[int]:
        """The tokens of a text that stands at the start, as the prefix does."""
        return self.program.text.encode([text], at_start=True)[0]

    def stored(self, folder: str, table: Tensor) -> Tensor:
        """Rows for the prefix: those of another prompt's artefact, and of (words, width) for the rest."""
        found = stored_table(folder, "prefix", table.shape[1])[: self.program.prefix].to(table)
        return torch.cat([found, table[len(found) : self.program.prefix]])

    def normal(self, table: Tensor) -> Tensor:
        """Rows for the prefix, drawn with the mean and the deviation that each number has in (words, width)."""
        noise = torch.from_numpy(self.random.standard_normal((self.program.prefix, table.shape[1]))).to(table)
        return table.mean(0) + table.std(0) * noise


# Name in `init` → (starts, what follows its colon) → tokens to start from; sampled ones stand in for the rest.
INITS: Mapping[str, Callable[[Starts, str], list[int]]] = {
    "vocab": lambda _, __: [],
    "normal": lambda _, __: [],
    "labels": lambda starts, _: [token for word in starts.label_words for token in word],
    "text": lambda starts, text: starts.text(text),
    "file": lambda _, __: [],
}

# Name in `init` → (starts, what follows its colon, (words, width)) → (n, width), where a prefix is not simply what the
# model makes of words.
TABLES: Mapping[str, Callable[[Starts, str, Tensor], Tensor]] = {
    "normal": lambda starts, _, table: starts.normal(table),
    "file": lambda starts, folder, table: starts.stored(folder, table),
}


class Offsets(nn.Module):
    """What is added to each number of (n, width), zero at first."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.offsets = nn.Parameter(torch.zeros_like(table))

    def forward(self) -> Tensor:
        """(n, width)."""
        return self.offsets


class MLPNetwork(nn.Module):
    """A vector for each position through Linear-Tanh-Linear, for all layers at once.

    Args:
        count: positions.
        given, hidden, made: widths.
    """

    def __init__(self, count: int, given: int, hidden: int, made: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(count, given))
        self.layers = nn.Sequential(nn.Linear(given, hidden), nn.Tanh(), nn.Linear(hidden, made))
        with torch.no_grad():
            for parameter in self.layers[2].parameters():
                parameter.zero_()

    def forward(self) -> Tensor:
        """(count, made)."""
        out: Tensor = self.layers(self.vectors)
        return out


# Name in the template → (positions, given, hidden, made) → the network: a new one is one entry and one class.
NETWORKS: Mapping[str, Callable[[int, int, int, int], nn.Module]] = {"mlp": MLPNetwork}


def _seeded(name: str, given: int, hidden: int, table: Tensor, seed: int) -> nn.Module:
    with seeded(seed):
        return NETWORKS[name](table.shape[0], given, hidden, table.shape[1]).to(table.device)


def _table(pairs: Pairs) -> Tensor:
    """Pairs of (kv heads, n, width) → (n, all their numbers side by side)."""
    return torch.cat([tensor.transpose(0, 1).flatten(1) for pair in pairs for tensor in pair], dim=1)


def _deviations(pairs: Pairs) -> Tensor:
    """(width of the table,) the deviation of each layer's keys, and of its values; 1 where they are all the same."""
    tensors = [tensor for pair in pairs for tensor in pair]
    found = [tensor.std(correction=0) for tensor in tensors]
    spread = [torch.where(d > 0, d, 1).expand(t.shape[0] * t.shape[2]) for t, d in zip(tensors, found, strict=True)]
    return torch.cat(spread)


def _check_room(backbone: Backbone, length: int) -> int | None:
    """The model's positions, None where it has no table of them; ModelError PD531 where a token gets none."""
    most = getattr(backbone.lm.config.get_text_config(), "max_position_embeddings", None)
    first = positions_from(backbone, torch.ones(1, 1, dtype=torch.long, device=backbone.device), 0)
    if not most or not first:
        return None
    positions = int(most) - int(first["position_ids"])
    if positions <= length:
        fail(
            "PD531",
            f"a prefix of {length} leaves no position for a token: the model has {positions}",
            help="write a shorter prefix, or use a model with more positions",
        )
    return positions
