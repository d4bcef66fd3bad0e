"""Tiny language models with random weights, one for each family, and tokenizers of each kind, made on the spot."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import log
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SAMPLES = Path(__file__).resolve().parent.parent / "promptdsl" / "samples"


@lru_cache
def corpus() -> list[str]:
    lines = (SAMPLES / "sentiment.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["text_a"] for line in lines]


def _fast(backend: Tokenizer, **special: str) -> Any:
    return tf.PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=128, **special)


@lru_cache
def wordpiece() -> Any:
    """Its vocabulary is the corpus's letters and commonest words: what the trainer learns differs between processes."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts = Counter(w for t in corpus() for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(t)))
    letters = sorted({letter for word in counts for letter in word})
    words = sorted((w for w in counts if len(w) > 1), key=lambda w: (-counts[w], w))
    pieces = dict.fromkeys([*names, *letters, *("##" + letter for letter in letters), *words])
    backend = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(list(pieces)[:900])}, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizer, splitter
    around = [("[CLS]", 2), ("[SEP]", 3)]
    backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", around)
    backend.decoder = decoders.WordPiece()
    fast = _fast(
        backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
    )
    fast.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return fast


@lru_cache
def byte_level(masked: bool) -> Any:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=names, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator(corpus(), trainer)
    backend.decoder = decoders.ByteLevel()
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    if masked:
        backend.add_special_tokens([AddedToken("<mask>", lstrip=True)])
        backend.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 0), ("</s>", 2)])
        special |= {"cls_token": "<s>", "sep_token": "</s>", "mask_token": AddedToken("<mask>", lstrip=True)}
    return _fast(backend, **special)


@lru_cache
def unigram() -> Any:
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    names = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.UnigramTrainer(vocab_size=700, special_tokens=names, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator(corpus(), trainer)
    backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    backend.decoder = decoders.Metaspace()
    fast = _fast(
        backend, pad_token="<pad>", unk_token="<unk>", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
    )
    fast.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return fast


@lru_cache
def sentencepiece_bpe() -> Any:
    """As Llama's: byte fallback, a dummy prefix, a BOS before every text."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    names = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    backend.train_from_iterator(
        corpus(), trainers.BpeTrainer(vocab_size=900, special_tokens=names, show_progress=False)
    )
    written = json.loads(backend.to_str())
    written["added_tokens"] = written["added_tokens"][:3]
    backend = Tokenizer.from_str(json.dumps(written))
    backend.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return _fast(backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@lru_cache
def sentinels() -> Any:
    """As T5's: pieces marked by ▁, sentinels numbered from the end of the vocabulary, an end and no mask token.

    Its vocabulary is the corpus's letters and commonest words: what a trainer learns differs between processes.
    """
    counts = Counter(w for t in corpus() for w in t.split())
    words = sorted(counts, key=lambda w: (-counts[w], w))[:600]
    letters = sorted({letter for word in counts for letter in word})
    total = sum(counts.values())
    pieces = [(f"▁{word}", log(counts[word] / total)) for word in words]
    pieces += [(piece, -12.0) for piece in ["▁", *letters, *(w for w in words[:100] if len(w) > 2)]]
    named = [(name, 0.0) for name in ("<pad>", "</s>", "<unk>")]
    backend = Tokenizer(models.Unigram([*named, *dict(pieces).items()], unk_id=2))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    backend.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    backend.decoder = decoders.Metaspace()
    names = [f"<extra_id_{number}>" for number in reversed(range(5))]
    fast = _fast(backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.add_special_tokens({"additional_special_tokens": names})
    return fast


@dataclass(frozen=True)
class Family:
    """How to make a tiny model of a family."""

    name: str
    kind: str  # masked, causal, seq2seq
    tokenizer: Callable[[], Any]
    make: Callable[[int], Any]

    def __str__(self) -> str:
        return self.name


def _small(**more: Any) -> dict[str, Any]:
    return {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48} | more


def _bert(v: int) -> Any:
    return tf.BertForMaskedLM(tf.BertConfig(vocab_size=v, max_position_embeddings=128, **_small()))


def _roberta(v: int) -> Any:
    return tf.RobertaForMaskedLM(
        tf.RobertaConfig(vocab_size=v, max_position_embeddings=130, type_vocab_size=1, **_small())
    )


def _albert(v: int) -> Any:
    return tf.AlbertForMaskedLM(
        tf.AlbertConfig(vocab_size=v, embedding_size=16, max_position_embeddings=128, **_small())
    )


def _electra(v: int) -> Any:
    return tf.ElectraForMaskedLM(
        tf.ElectraConfig(vocab_size=v, embedding_size=16, max_position_embeddings=128, **_small())
    )


def _deberta(v: int) -> Any:
    config = tf.DebertaV2Config(
        vocab_size=v, max_position_embeddings=128, relative_attention=True, pos_att_type=["p2c", "c2p"], **_small()
    )
    return tf.DebertaV2ForMaskedLM(config)


def _modernbert(v: int) -> Any:
    config = tf.ModernBertConfig(
        vocab_size=v, max_position_embeddings=128, pad_token_id=1, eos_token_id=2, bos_token_id=0, cls_token_id=0,
        sep_token_id=2, **_small(),
    )  # fmt: skip
    return tf.ModernBertForMaskedLM(config)


def _distilbert(v: int) -> Any:
    config = tf.DistilBertConfig(
        vocab_size=v, max_position_embeddings=128, dim=32, n_layers=2, n_heads=4, hidden_dim=48
    )
    return tf.DistilBertForMaskedLM(config)


def _gpt2(v: int) -> Any:
    config = tf.GPT2Config(
        vocab_size=v, n_positions=128, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=2
    )
    return tf.GPT2LMHeadModel(config)


def _llama(v: int) -> Any:
    return tf.LlamaForCausalLM(
        tf.LlamaConfig(vocab_size=v, max_position_embeddings=128, num_key_value_heads=2, **_small())
    )


def _qwen2(v: int) -> Any:
    return tf.Qwen2ForCausalLM(
        tf.Qwen2Config(vocab_size=v, max_position_embeddings=128, num_key_value_heads=2, **_small())
    )


def _opt(v: int) -> Any:
    config = tf.OPTConfig(
        vocab_size=v, max_position_embeddings=128, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        ffn_dim=48, word_embed_proj_dim=32, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    return tf.OPTForCausalLM(config)


def _gemma2(v: int) -> Any:
    config = tf.Gemma2Config(vocab_size=v, max_position_embeddings=128, num_key_value_heads=2, head_dim=8, **_small())
    return tf.Gemma2ForCausalLM(config)


def _t5_sizes(v: int) -> dict[str, Any]:
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.1}
    return sizes | {"vocab_size": v + 12, "decoder_start_token_id": 0}  # T5, too, has more rows than tokens


def _t5(v: int) -> Any:
    return tf.T5ForConditionalGeneration(tf.T5Config(**_t5_sizes(v)))


def _t5_untied(v: int) -> Any:
    """As T5 1.1 and Flan-T5: an output matrix of its own, gated layers."""
    config = tf.T5Config(tie_word_embeddings=False, feed_forward_proj="gated-gelu", **_t5_sizes(v))
    return tf.T5ForConditionalGeneration(config)


def _longt5(v: int) -> Any:
    return tf.LongT5ForConditionalGeneration(tf.LongT5Config(**_t5_sizes(v)))


def _mt5(v: int) -> Any:
    return tf.MT5ForConditionalGeneration(tf.MT5Config(**_t5_sizes(v)))


def _umt5(v: int) -> Any:
    return tf.UMT5ForConditionalGeneration(tf.UMT5Config(**_t5_sizes(v)))


def _masked_bytes() -> Any:
    return byte_level(True)


def _causal_bytes() -> Any:
    return byte_level(False)


FAMILIES = (
    Family("bert", "masked", wordpiece, _bert),
    Family("roberta", "masked", _masked_bytes, _roberta),
    Family("albert", "masked", unigram, _albert),
    Family("electra", "masked", wordpiece, _electra),
    Family("deberta-v2", "masked", unigram, _deberta),
    Family("modernbert", "masked", _masked_bytes, _modernbert),
    Family("distilbert", "masked", wordpiece, _distilbert),
    Family("gpt2", "causal", _causal_bytes, _gpt2),
    Family("llama", "causal", sentencepiece_bpe, _llama),
    Family("qwen2", "causal", _causal_bytes, _qwen2),
    Family("opt", "causal", _causal_bytes, _opt),
    Family("gemma2", "causal", sentencepiece_bpe, _gemma2),
)


# Encoder-decoders, apart: what is tested of all masked and causal models is tested of them in test_seq2seq.
SEQ2SEQ = (
    Family("t5", "seq2seq", sentinels, _t5),
    Family("t5-untied", "seq2seq", sentinels, _t5_untied),
    Family("mt5", "seq2seq", sentinels, _mt5),
    Family("umt5", "seq2seq", sentinels, _umt5),
    Family("longt5", "seq2seq", sentinels, _longt5),
)


@lru_cache
def tiny(name: str) -> tuple[Any, Any]:
    """(model, tokenizer) of a family, seeded, with weights large enough that scores differ well."""
    family = next(f for f in (*FAMILIES, *SEQ2SEQ) if f.name == name)
    tokenizer = family.tokenizer()
    torch.manual_seed(7)
    model = family.make(len(tokenizer)).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
            else:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model, tokenizer
