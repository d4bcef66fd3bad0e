"""What `lint --model` learns of a real model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from promptdsl.cli.counter import load_counter

if TYPE_CHECKING:
    from conftest import Cli


def test_family_and_tokens_of_a_wordpiece_model(shared: Path, cli: Cli) -> None:
    from tokenizers import Tokenizer

    folder = shared / "models" / "minilm-mlm"
    family, count = load_counter(str(folder))
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    plain.no_padding()
    words = ["good", " good", "unputdownable", "not good", "don't"]
    assert family == "masked"
    assert [count(w) for w in words] == [len(plain.encode(w, add_special_tokens=False).ids) for w in words]
    assert (count(" good"), count("not good")) == (1, 2)

    ran = cli("lint", "--verbalizer", "a: good\nb: not good", "--model", folder, "--json")
    (finding,) = json.loads(ran.out)
    assert (finding["code"], finding["span"]) == ("PW201", [11, 19])
