"""pocket-clm: a small Llama-shaped causal language model, trained from scratch with Muon on its hidden matrices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from .text import Mixture

SPECIALS = ("<pad>", "<bos>", "<eos>")
PAD, BOS, EOS = range(3)


def train_tokenizer(texts: Iterator[str], size: int) -> Tokenizer:
    """A byte-level BPE of `size` pieces; encoding puts `<bos>` first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", BOS)]
    )
    return tokenizer


def build(vocabulary: int, layers: int, hidden: int, feed_forward: int, heads: int, seed: int) -> LlamaForCausalLM:
    """A fresh model with tied embeddings; residual outputs start small, embeddings at 0.02."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        attention_dropout=0.0,
        use_cache=True,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.mul_((2 * layers) ** -0.5)
            layer.mlp.down_proj.weight.mul_((2 * layers) ** -0.5)
    return model


def optimizers(model: LlamaForCausalLM, muon: float, adam: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the 2-D weights inside the layers, AdamW for embeddings and norms."""
    hidden = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    chosen = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(hidden, lr=muon, momentum=0.95, nesterov=True, ns_steps=5, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=adam, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


class CausalBatches:
    """Batches for a step number: rows of `<bos> piece <eos> <bos> piece …`, every row beginning with a sentence."""

    def __init__(self, folder: Path, split: str, tokenizer: Path, seed: int, tokens: int) -> None:
        self.mixture = Mixture(folder, split, 128)
        self.seed, self.tokens = seed, tokens
        vocabulary: dict[str, int] = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
        self.ends = np.zeros(len(vocabulary), dtype=bool)
        for piece, index in vocabulary.items():
            self.ends[index] = piece.endswith((".", "!", "?")) and index >= len(SPECIALS)

    def row(self, rng: np.random.Generator, length: int) -> list[int]:
        """`length` + 1 ids: inputs and, one further, targets."""
        ids: list[int] = []
        while len(ids) <= length:
            room = length - len(ids)
            piece, ended = self.mixture.draw(rng).piece(rng, max(room, 16), self.ends, at_start=0.3)
            ids += [BOS, *(int(i) for i in piece)]
            if ended:
                ids.append(EOS)
        return ids[: length + 1]

    def batch(self, step: int) -> torch.Tensor:
        """(rows, length + 1) ids: mostly rows of 128, now and then 256 or 512 so that far positions are learnt."""
        rng = np.random.default_rng([self.seed, step])
        length = int(rng.choice([128, 256, 512], p=[0.86, 0.1, 0.04]))
        return torch.tensor([self.row(rng, length) for _ in range(self.tokens // length)])


def causal_loss(model: LlamaForCausalLM, ids: torch.Tensor) -> torch.Tensor:
    """The mean next-token cross-entropy of (rows, length + 1) ids; after `<eos>` the `<bos>` is no target."""
    inputs, targets = ids[:, :-1], ids[:, 1:]
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=inputs, use_cache=False).logits
    targets = targets.masked_fill(targets == BOS, -100)
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-100)
