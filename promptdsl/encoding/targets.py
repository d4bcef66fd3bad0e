"""What stands in the decoder of an encoder-decoder: sentinels, with label words behind them, as in span corruption."""

from __future__ import annotations

from collections.abc import Sequence

from promptdsl.encoding.tokenizer import TextTokenizer
from promptdsl.errors import fail

__all__ = ["require_sentinels", "target"]


def target(sentinels: Sequence[int], fills: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """The decoder's ids after its start token, and the decoder's positions that are read.

    Mask number k is the sentinel `<extra_id_k>` in the encoder's text; the decoder writes each sentinel and then what
    the mask stands for (T5's span corruption: Raffel et al. 2020, section 3.1.4). Position 0 is the start token's, so
    that n ids end at position n.

    Args:
        sentinels: the ids of the sentinels, in order.
        fills: the tokens at each mask, up to the mask whose next token is read last.

    Returns:
        The ids; for each token of `fills` the position before it, and the last position.
    """
    ids: list[int] = []
    reads: list[int] = []
    for sentinel, fill in zip(sentinels, fills, strict=False):
        ids.append(sentinel)
        reads += range(len(ids), len(ids) + len(fill))
        ids += fill
    return ids, [*reads, len(ids)] if fills else []


def require_sentinels(text: TextTokenizer, masks: int) -> None:
    """Raise ModelError PD543 for a tokenizer without sentinels, PD544 for one that has fewer than there are masks."""
    if not text.sentinels:
        fail(
            "PD543",
            "the tokenizer has no sentinels such as <extra_id_0>, which an encoder-decoder is asked with",
            help="use a model of T5's shape, a masked or a causal language model",
        )
    if masks > len(text.sentinels):
        fail(
            "PD544",
            f"the template has {masks} masks and the tokenizer {len(text.sentinels)} sentinels",
            help="write fewer masks",
        )
