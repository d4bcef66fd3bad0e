"""The genuine BERT, GPT-2 and T5 vocabularies on real texts. Skips where the shared data are absent."""

from __future__ import annotations

import itertools
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from promptdsl.encoding import bind, encode
from promptdsl.encoding.tokenizer import text_tokenizer

NAMES = ["tokenizers/bert-base-uncased", "tokenizers/gpt2", "tokenizers/t5", "stories260K", "tinystories-656K"]
# These merge across blanks (there is no word splitting in them), so only their pieces can be compared.
NO_WORDS = {"stories260K", "tinystories-656K"}


@lru_cache
def real(folder: Path, name: str) -> Any:
    return AutoTokenizer.from_pretrained(folder / "models" / name)


def texts(folder: Path) -> list[str]:
    found: list[str] = []
    for data in ("sst2", "ag_news", "trec", "tweeteval_emotion", "sms_spam"):
        with (folder / "data" / data / "dev.jsonl").open(encoding="utf-8") as lines:
            found += [json.loads(line)["text_a"] for line in itertools.islice(lines, 150)]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_plain_text_has_the_ids_that_the_tokenizer_itself_gives(shared: Path, name: str) -> None:
    tokenizer = real(shared, name)
    view = text_tokenizer(tokenizer)
    rows = texts(shared)
    assert view.encode(rows, at_start=True) == tokenizer(rows, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NO_WORDS])
def test_whole_strings_have_the_same_ids_as_their_pieces(shared: Path, name: str) -> None:
    """Text, blank, fixed text: no tokenizer that splits at blanks merges across one."""
    tokenizer = real(shared, name)
    program = bind('<"placeholder":"text_a"> It was <"meta":"m"> and', tokenizer)
    rows = [{"text_a": t.strip(), "m": "great"} for t in texts(shared)]
    whole = tokenizer([f"{r['text_a']} It was great and" for r in rows])["input_ids"]
    assert [e.input_ids.tolist() for e in encode(program, rows)] == whole


@pytest.mark.parametrize("name", NAMES)
def test_no_spelling_reaches_a_special_token(shared: Path, name: str) -> None:
    tokenizer = real(shared, name)
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    special -= {tokenizer.unk_token_id} if tokenizer.unk_token != tokenizer.eos_token else set()
    spellings = [t.content for t in tokenizer.added_tokens_decoder.values()]
    spellings += ["[MASK]", "<mask>", "</s>", "<s>", "[SEP]", "<|endoftext|>", "<extra_id_0>", "<unk>"]
    shapes = ["{}", "x{}y", " {} ", "{}{}", "\t{}\n", ".{}.", "▁{}", "Ġ{}", "##{}"]
    hostile = [shape.format(s, s) for s, shape in itertools.product(spellings, shapes)]
    view = text_tokenizer(tokenizer)
    for at_start in (True, False):
        reached = {i for ids in view.encode(hostile, at_start=at_start) for i in ids} & special
        assert not reached, [view.token(i) for i in reached]
