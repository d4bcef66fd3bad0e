"""The shipped form: a folder that transformers loads by itself, weights in fp16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

CARD = "README.md"


def export_mlm(model: PreTrainedModel, tokenizer: Path, out: Path) -> None:
    """Writes pocket-mlm: BERT's files, with the cut vocabulary."""
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "model_max_length": 512,
        "padding_side": "right",
        "truncation_side": "right",
        **names,
    }
    write(model, tokenizer, settings, out)


def export_clm(model: PreTrainedModel, tokenizer: Path, out: Path) -> None:
    """Writes pocket-clm: Llama's files, with the byte-level BPE."""
    names = {f"{name}_token": f"<{name}>" for name in ("pad", "bos", "eos")}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        **names,
    }
    write(model, tokenizer, settings, out)


def write(model: PreTrainedModel, tokenizer: Path, settings: dict[str, Any], out: Path) -> None:
    """Writes a folder beside `out` and puts it in its place; a model card already there stays."""
    fresh = out.with_name(out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    model.to(torch.float16).save_pretrained(fresh)
    (fresh / "generation_config.json").unlink(missing_ok=True)
    (fresh / "model.safetensors").chmod(0o644)
    shutil.copyfile(tokenizer, fresh / "tokenizer.json")
    (fresh / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    if (out / CARD).exists():
        shutil.copyfile(out / CARD, fresh / CARD)
    old = out.with_name(out.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)
