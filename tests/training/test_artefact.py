"""Artefacts of models: bit for bit in a fresh process, only what was trained, the right language model, no trust."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from families import tiny, wordpiece
from safetensors.torch import load_file, save
from sklearn.base import clone

from promptdsl import PromptClassifier, PromptDSLError, PromptModel, Verbalizer
from promptdsl.errors import FileError
from promptdsl.models.artefact_files import DIGEST, RECORD, TENSORS
from promptdsl.training.artefact import load
from promptdsl.training.artefact import save as save_artefact
from promptdsl.training.artefact_base import BaseModel
from promptdsl.training.settings import TrainingSettings

TEXTS = ["a stirring, funny film", "the plot is dull", "no", "one of the best of the year", "bad", "a good joke"]
LABELS = ["y", "n", "n", "y", "n", "y"]
HARD = '<"placeholder":"text_a"> It was <"mask">.'
WORDS = "n: bad\ny: good"

# What is learnt in each way that there is: template, verbalizer, parameters.
WAYS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "zero-shot": (HARD, WORDS, {}),
    "bias": (HARD, WORDS, {"max_length": 40, "batch_size": 3}),
    "calibrated": (HARD, WORDS + '\n<"calibrate":"support">\n<"pool":"learned">', {}),
    "contextual": (HARD, WORDS + ', great\n<"calibrate":"contextual">\n<"pool":"weighted">', {}),
    "found words": (HARD, 'n: bad, <"neighbors":"bad","limit":5>\ny: good, <"auto":3>\n<"refine":["frequency"]>', {}),
    "soft words": (HARD, 'n: <"soft":"bad">\ny: <"soft":"good">, good', {}),
    "clusters": (HARD, 'n: bad, <"cluster":2>\ny: good, <"cluster":1>', {}),
    "prototypes": (HARD, 'n: <"prototype":4>\ny: <"prototype":4>', {}),
    "solved examples": ('<"demos":2,"draws":2><"placeholder":"text_a"> It was <"mask">.\n', WORDS, {"random_state": 3}),
    "nearest examples": ('<"demos":2,"select":"nearest"><"placeholder":"text_a"> <"soft":1> <"mask">', WORDS, {}),
    "soft tokens": ('<"soft":3,"encoder":"lstm"> <"placeholder":"text_a"> <"soft":"It was"> <"mask">.', WORDS, {}),
    "prefix": ('<"prefix":2,"encoder":"mlp","hidden":8><"placeholder":"text_a"> It was <"mask">.', WORDS, {}),
    "bitfit": (HARD, WORDS, {"tune": "bitfit"}),
    "full": ('<"placeholder":"text_a"> <"soft":"It was"> <"mask">.', WORDS, {"tune": "full"}),
    "several labels": (HARD, WORDS, {"multi_label": True}),
    "half": (HARD, WORDS, {"dtype": "bfloat16"}),
    "a mapping": (HARD, {"n": ["bad"], "y": ["good", "well, done"]}, {}),
}


def fitted(way: str) -> PromptClassifier:
    template, words, parameters = WAYS[way]
    parameters = {"steps": 2, "train_batch_size": 4} | parameters
    made = PromptClassifier(template, words, "pocket-mlm", **parameters)
    if way == "zero-shot":
        return made
    return made.fit(TEXTS, [[y] for y in LABELS] if made.multi_label else LABELS)


READER = """
import sys, numpy as np
from promptdsl import PromptClassifier
import torch
torch.set_num_threads(1)
texts = sys.argv[2].split("|")
for folder in sys.argv[3:]:
    made = PromptClassifier.from_pretrained(folder)
    np.save(sys.argv[1] + "/" + folder.rsplit("/", 1)[1] + ".npy", made.predict_log_proba(texts))
"""


def test_a_fresh_process_says_the_same_to_the_last_bit(tmp_path: Path) -> None:
    expected, folders = {}, []
    for way in WAYS:
        made = fitted(way)
        folder = tmp_path / way.replace(" ", "-")
        made.save_pretrained(folder)
        expected[folder.name] = made.predict_log_proba(TEXTS)
        folders.append(str(folder))
    done = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path), "|".join(TEXTS), *folders],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, wanted in expected.items():
        found = np.load(tmp_path / f"{name}.npy")
        assert found.dtype == wanted.dtype and found.tobytes() == wanted.tobytes(), name
    # They were trained: no two ways say the same.
    assert len({wanted.tobytes() for wanted in expected.values()}) >= len(WAYS) - 2


@pytest.mark.parametrize("way", ["soft tokens", "clusters", "solved examples", "found words"])
def test_what_is_loaded_is_what_was_saved(way: str, tmp_path: Path) -> None:
    made = fitted(way)
    made.save_pretrained(tmp_path / "one")
    again = PromptClassifier.from_pretrained(tmp_path / "one")
    again.save_pretrained(tmp_path / "two")
    assert (tmp_path / "one" / TENSORS).read_bytes() == (tmp_path / "two" / TENSORS).read_bytes()
    assert (tmp_path / "one" / RECORD).read_bytes() == (tmp_path / "two" / RECORD).read_bytes()
    assert again.verbalizer_ == made.verbalizer_
    assert str(again.verbalizer_.audit()) == str(made.verbalizer_.audit())
    assert again.prompt_model_.demos == made.prompt_model_.demos
    assert again.trained_parameters_ == made.trained_parameters_


def test_a_loaded_classifier_is_an_estimator(tmp_path: Path) -> None:
    settings = TrainingSettings(steps=2, seed=4, output=str(tmp_path / "logs"), weight_decay=0.25)
    made = PromptClassifier(HARD, "0: bad\n1: good", settings=settings, random_state=np.int64(3)).fit(
        TEXTS, [1, 0, 0, 1, 0, 1]
    )
    made.save_pretrained(tmp_path / "one", metrics={"accuracy": np.float32(0.5)})
    again = PromptClassifier.from_pretrained(tmp_path / "one")
    assert again.predict(TEXTS).tolist() == made.predict(TEXTS).tolist() and again.classes_.dtype == made.classes_.dtype
    assert again.settings.weight_decay == 0.25 and again.settings.output is None
    record = json.loads((tmp_path / "one" / RECORD).read_text())
    assert record["metrics"] == {"accuracy": 0.5} and record["seeds"] == {"random_state": 3}
    assert str(tmp_path) not in (tmp_path / "one" / RECORD).read_text()
    refitted = clone(again).fit(TEXTS, [1, 0, 0, 1, 0, 1])
    assert refitted.predict_log_proba(TEXTS).tobytes() == made.predict_log_proba(TEXTS).tobytes()


def test_twenty_soft_tokens_of_width_768_take_61_kilobytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = tf.BertConfig(
        vocab_size=len(wordpiece()), hidden_size=768, num_hidden_layers=1, num_attention_heads=12, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    pair = tf.BertForMaskedLM(config).eval(), wordpiece()
    model = PromptModel(pair, '<"soft":20> <"placeholder":"text_a"> <"mask">', "x: the; y: a")
    model.prompt.trained()
    save_artefact(model, tmp_path)
    assert list(load_file(tmp_path / TENSORS)) == ["soft"]
    assert 20 * 768 * 4 < (tmp_path / TENSORS).stat().st_size < 20 * 768 * 4 + 200
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 66_000


def test_only_what_was_trained_is_saved(tmp_path: Path) -> None:
    wanted = {
        "zero-shot": set(),
        "bias": {"head.bias"},
        "soft words": {"head.soft_rows", "head.soft_bias"},
        "prefix": {"prefix", "head.bias"},
    }
    for way, names in wanted.items():
        fitted(way).save_pretrained(tmp_path / way)
        assert set(load_file(tmp_path / way / TENSORS)) <= names | {"head.class_prior", "head.bias"}
        assert set(load_file(tmp_path / way / TENSORS)) >= names - {"head.bias"}
    made = fitted("bitfit")
    made.save_pretrained(tmp_path / "bitfit")
    names = {n for n in load_file(tmp_path / "bitfit" / TENSORS) if n.startswith("lm.")}
    assert names and all(n.endswith("bias") for n in names)


def test_the_digest_of_a_model_by_hand() -> None:
    """Name, type, shape and bytes of each parameter and each buffer that is saved, in the order of names."""
    model, tokenizer = tiny("bert")
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if name in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"):  # tied: there once
            continue
        shape = ",".join(map(str, tensor.shape))
        found.update(f"{name}\0float32\0{shape}\0".encode() + tensor.numpy().tobytes())
    wrapped = PromptModel((model, tokenizer), HARD, "x: the; y: a").lm
    assert BaseModel.of(wrapped).weights == found.hexdigest()


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Any]:
    """An artefact of a model that was given, and the model."""
    pair = copy.deepcopy(tiny("bert")[0]), tiny("bert")[1]
    made = PromptClassifier('<"soft":2> <"placeholder":"text_a"> <"mask">', "n: the\ny: a", pair, steps=2)
    made.fit(TEXTS, LABELS).save_pretrained(tmp_path / "artefact")
    return tmp_path / "artefact", pair


def code_of(call: Any) -> str:
    with pytest.raises(PromptDSLError) as caught:
        call()
    return caught.value.code


def test_another_language_model_is_refused(given: tuple[Path, Any]) -> None:
    folder, pair = given
    assert code_of(lambda: load(folder)) == "PD842"
    expected = load(folder, pair).predict_log_proba(TEXTS)
    other = copy.deepcopy(pair[0])
    with torch.no_grad():
        other.bert.encoder.layer[1].output.dense.weight[0, 0] += 1e-3
    with pytest.raises(FileError, match="PD833") as caught:
        load(folder, (other, pair[1]))
    assert "BertForMaskedLM in float32" in str(caught.value)
    with pytest.raises(FileError, match="give the model in float32"):
        load(folder, (copy.deepcopy(pair[0]).bfloat16(), pair[1]))
    changed = copy.deepcopy(pair[1])
    changed.add_tokens(["wordnik"])
    assert code_of(lambda: load(folder, (pair[0], changed))) == "PD834"
    pair[1]("a text", padding="max_length", truncation=True, max_length=9)  # which leaves its marks on the tokenizer
    assert load(folder, pair).predict_log_proba(TEXTS).tobytes() == expected.tobytes()


def test_a_model_that_changed_since_has_another_digest(given: tuple[Path, Any]) -> None:
    folder, pair = given
    wrapped = load(folder, pair).lm
    before = BaseModel.of(wrapped)
    assert BaseModel.of(wrapped) == before
    with torch.no_grad():
        pair[0].bert.embeddings.word_embeddings.weight[5] += 1
    assert BaseModel.of(wrapped).weights != before.weights
    assert code_of(lambda: load(folder, wrapped)) == "PD833"


def test_weights_in_halves_are_loaded_in_halves(tmp_path: Path) -> None:
    from promptdsl.models.loading import load as load_lm

    made = PromptClassifier(HARD, WORDS, load_lm("pocket-mlm", dtype="bfloat16")).fit(TEXTS, LABELS)
    made.save_pretrained(tmp_path)
    again = PromptClassifier.from_pretrained(tmp_path)
    assert again.prompt_model_.backbone.output_weight.dtype == torch.bfloat16
    assert again.predict_log_proba(TEXTS).tobytes() == made.predict_log_proba(TEXTS).tobytes()


# --- hostile artefacts ------------------------------------------------------------------------------------------------


def tampered(folder: Path, change: Any, tensors: Any = None) -> None:
    """The record and the tensors as `change` makes them, with digests that fit."""
    record = json.loads((folder / RECORD).read_text())
    change(record)
    if tensors is not None:
        packed = save(tensors)
        record["tensors"] = {"sha256": hashlib.sha256(packed).hexdigest(), "bytes": len(packed)}
        (folder / TENSORS).write_bytes(packed)
    text = json.dumps(record).encode()
    (folder / RECORD).write_bytes(text)
    (folder / DIGEST).write_text(f"{hashlib.sha256(text).hexdigest()}  {RECORD}\n")


def put(path: str, value: Any) -> Any:
    def change(record: Any) -> None:
        *parts, last = path.split(".")
        for part in parts:
            record = record[part]
        record[last] = value

    return change


CHANGES = [
    ("template", 3), ("template", '<"placeholder":'), ("template", "no mask"), ("template", "\0" * 9),
    ("verbalizer", []), ("verbalizer.written.text", "x"), ("verbalizer.found.traces", [["a"]]),
    ("verbalizer.found.traces", [["n", "the", "x", [["s", 1, "y"]]]]), ("verbalizer.found.text", "n: the"),
    ("verbalizer.found.text", 'n: <"words":"/etc/passwd">\ny: a'),
    ("verbalizer.found.text", 'n: <"wordnet":"bad">\ny: a'),
    ("labels", ["y", "n"]), ("labels", "ny"), ("language_model", None), ("language_model.weights", 5),
    ("tune", "prune"),
    ("tune", {"peft": {"peft_type": "LORA", "init_lora_weights": "loftq"}}), ("tune", {"peft": {"peft_type": "XLORA"}}),
    ("tune", {"peft": {"peft_type": "LORA", "corda_config": {"cache_file": "/etc/passwd"}}}), ("dtype", "int8"),
    ("dtype", None), ("max_length", "9"), ("max_length", 10**9), ("multi_label", 1), ("metrics", []), ("seeds", None),
    ("classifier.batch_size", "x"), ("classifier.settings", {"output": "/"}), ("classifier.settings", {"steps": -1}),
    ("classifier.labels", "whole numbers"), ("classifier.labels", {}), ("classifier.random_state", [1]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), CHANGES, ids=lambda v: str(v)[:30])
def test_a_record_that_says_nothing_of_sense(given: tuple[Path, Any], path: str, value: Any) -> None:
    folder, pair = given
    tampered(folder, put(path, value))
    code_of(lambda: PromptClassifier.from_pretrained(folder, model=pair))


@pytest.mark.parametrize(
    "change",
    [
        {"soft": torch.zeros(2, 31)}, {"soft": torch.zeros(2, 32, dtype=torch.long)}, {"soft": None},
        {"prefix": torch.zeros(1, 2)}, {"head.bias": torch.zeros(3)}, {"head.sources.0.owner": torch.zeros(2)},
        {"lm.bert.embeddings.word_embeddings.weight": torch.zeros(1)}, {"../../x": torch.zeros(1)},
        {"demos.ids": torch.zeros(1, dtype=torch.int32)}, {"head.owner": torch.zeros(2, dtype=torch.long)},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_tensors_that_do_not_fit(given: tuple[Path, Any], change: dict[str, Any]) -> None:
    folder, pair = given
    tensors = {n: t for n, t in (load_file(folder / TENSORS) | change).items() if t is not None}
    tampered(folder, lambda _: None, tensors)
    assert code_of(lambda: load(folder, pair)) == "PD835"


@pytest.mark.parametrize(
    ("name", "value"),
    [("ids", 10**6), ("ids", -1), ("soft", 5), ("labels", 9), ("lengths", -4), ("rows", -1), ("labels", None)],
)
def test_solved_examples_that_do_not_fit(name: str, value: int | None, tmp_path: Path) -> None:
    pair = tiny("bert")
    made = PromptClassifier('<"demos":1><"placeholder":"text_a"> <"mask">', "n: the\ny: a", pair).fit(TEXTS, LABELS)
    made.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / TENSORS)
    if value is None:
        del tensors[f"demos.{name}"]
    else:
        tensors[f"demos.{name}"][0] = value
    tampered(tmp_path, lambda _: None, tensors)
    assert code_of(lambda: load(tmp_path, pair)) == "PD835"


def test_prototypes_that_do_not_fit(tmp_path: Path) -> None:
    pair = tiny("bert")
    made = PromptClassifier(HARD, 'n: <"cluster":2>\ny: <"cluster":1>', pair).fit(TEXTS, LABELS)
    made.save_pretrained(tmp_path)
    whole = load_file(tmp_path / TENSORS)
    for name, wrong in (("prototypes", torch.zeros(2, 32)), ("owner", torch.tensor([0, 0, 9])), ("scale", None)):
        tensors = dict(whole)
        if wrong is None:
            del tensors[f"head.sources.0.{name}"]
        else:
            tensors[f"head.sources.0.{name}"] = wrong
        tampered(tmp_path, lambda _: None, tensors)
        assert code_of(lambda: load(tmp_path, pair)) == "PD835"


def test_a_file_that_the_template_named_is_not_read_on_loading(given: tuple[Path, Any]) -> None:
    """What vectors started from is of no interest once they are trained; the path may be anybody's."""
    folder, pair = given
    expected = load(folder, pair).predict_log_proba(TEXTS)
    tampered(folder, put("template", '<"soft":2,"init":"file:/etc"> <"placeholder":"text_a"> <"mask">'))
    assert load(folder, pair).predict_log_proba(TEXTS).tobytes() == expected.tobytes()


# --- what else is saved, or not ---------------------------------------------------------------------------------------


def test_adapters_come_back(tmp_path: Path) -> None:
    from peft import IA3Config, LoraConfig

    pair = tiny("bert")
    for number, config in enumerate([
        LoraConfig(r=2, target_modules=["query", "value"], lora_dropout=0.1),
        IA3Config(target_modules=["key", "output.dense"], feedforward_modules=["output.dense"]),
    ]):  # fmt: skip
        made = PromptClassifier(HARD, "n: the\ny: a", pair, tune=config, steps=2).fit(TEXTS, LABELS)
        made.save_pretrained(tmp_path / str(number))
        names = {n for n in load_file(tmp_path / str(number) / TENSORS) if n.startswith("lm.")}
        assert names and all("lora_" in n or "ia3_" in n for n in names)
        again = PromptClassifier.from_pretrained(tmp_path / str(number), model=pair)
        assert again.predict_log_proba(TEXTS).tobytes() == made.predict_log_proba(TEXTS).tobytes()
    strange = PromptModel(
        pair, HARD, "n: the\ny: a", tune=LoraConfig(target_modules=["query"], init_lora_weights="olora")
    )
    assert code_of(lambda: save_artefact(strange, tmp_path / "no")) == "PD839"
    assert not (tmp_path / "no").exists()


def test_a_model_that_needs_rows_is_not_saved(tmp_path: Path) -> None:
    model = PromptModel(tiny("bert"), '<"soft":2> <"placeholder":"text_a"> <"mask">', "n: the\ny: a")
    assert code_of(lambda: save_artefact(model, tmp_path / "no")) == "PD713"
    assert code_of(lambda: save_artefact("model", tmp_path / "no")) == "PD839"
    assert code_of(lambda: save_artefact(PromptModel(tiny("bert"), HARD, "n: the\ny: a"), "x", metrics=[1])) == "PD839"
    assert not (tmp_path / "no").exists()


def test_words_that_somebody_found_need_not_be_found_again(tmp_path: Path) -> None:
    """The file of words is gone when the artefact is loaded."""
    listed = tmp_path / "words.tsv"
    listed.write_text("n\tthe\ny\ta\ny\tno\n")
    words = Verbalizer(f'n: <"words":"{listed}">\ny: <"words":"{listed}">')
    made = PromptClassifier(HARD, words, tiny("bert")).fit(TEXTS, LABELS)
    made.save_pretrained(tmp_path / "artefact")
    listed.unlink()
    again = PromptClassifier.from_pretrained(tmp_path / "artefact", model=tiny("bert"))
    assert [w.text for c in again.verbalizer_.classes for w in c.items] == ["the", "a", "no"]
    assert again.predict_log_proba(TEXTS).tobytes() == made.predict_log_proba(TEXTS).tobytes()
    assert again.verbalizer == words


# --- vectors from another prompt --------------------------------------------------------------------------------------


def test_vectors_start_from_another_prompt(given: tuple[Path, Any], tmp_path: Path) -> None:
    folder, pair = given
    stored = load_file(folder / TENSORS)["soft"]
    for count in (1, 2, 4):
        tag = f'<"soft":{count},"init":"file:{folder}">'
        table = PromptModel(pair, f'{tag} <"placeholder":"text_a"> <"mask">', "n: the\ny: a").prompt.soft()
        assert torch.equal(table[: min(2, count)], stored[:count])
        rows = pair[0].get_input_embeddings().weight
        assert all((rows == vector).all(1).any() for vector in table[2:])  # the rest are words
    wide = tiny("albert")
    model = f'<"soft":2,"init":"file:{folder}"> <"placeholder":"text_a"> <"mask">'
    assert code_of(lambda: PromptModel(wide, model, "n: the\ny: a")) == "PD837"
    assert code_of(lambda: PromptModel(pair, model.replace("artefact", "nowhere"), "n: the\ny: a")) == "PD830"
    prefix = f'<"prefix":2,"init":"file:{folder}"><"placeholder":"text_a"> <"mask">'
    assert code_of(lambda: PromptModel(pair, prefix, "n: the\ny: a")) == "PD837"


def test_a_prefix_starts_from_another_prefix(tmp_path: Path) -> None:
    pair = tiny("gpt2")
    made = PromptClassifier('<"prefix":2><"placeholder":"text_a"> <"mask">', "n: the\ny: a", pair, steps=2)
    made.fit(TEXTS, LABELS).save_pretrained(tmp_path)
    stored = load_file(tmp_path / TENSORS)["prefix"]
    for count in (1, 3):
        tag = f'<"prefix":{count},"init":"file:{tmp_path}">'
        table = PromptModel(pair, f'{tag}<"placeholder":"text_a"> <"mask">', "n: the\ny: a").prompt.prefix.table()
        assert len(table) == count and torch.equal(table[:2], stored[:count])


# --- the card, the hub ------------------------------------------------------------------------------------------------


def test_a_card_that_no_text_can_break(tmp_path: Path) -> None:
    evil = '<"placeholder":"text_a"> ```\n# Heading\n````` <script> <"mask">'
    made = PromptClassifier(evil, {"n": ["the"], "y|`\n# d": ["a"]}, tiny("bert"))
    made.save_pretrained(tmp_path, metrics={"a|b`\n# c": 1.0})
    card = (tmp_path / "README.md").read_text()
    assert f"``````\n{evil}\n``````" in card
    outside = card.split("``````")[0::2]
    assert not any(line.startswith("# Heading") for part in outside for line in part.splitlines())
    assert "| `` a\\|b`\\n# c `` | `1.0` |" in card
    assert "seed" in card.lower() and "from_pretrained" in card


def test_a_card_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    made = PromptClassifier(HARD, "n: the\ny: a", tiny("bert"))
    made.save_pretrained(tmp_path, metrics={"accuracy": 0.1})
    made.save_pretrained(tmp_path, metrics={"accuracy": 0.2})
    card = (tmp_path / "README.md").read_text()
    assert "0.2" in card and "0.1`" not in card
    (tmp_path / "README.md").write_text(card + "My own words.\n")
    made.save_pretrained(tmp_path, metrics={"accuracy": 0.3})
    assert (tmp_path / "README.md").read_text() == card + "My own words.\n"


def test_pushed_and_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that is a folder, laid out as the real one's cache: blobs, and links to them in a snapshot."""
    import huggingface_hub

    snapshot, blobs = tmp_path / "cache" / "snapshots" / "abc", tmp_path / "cache" / "blobs"
    asked: dict[str, Any] = {}

    class Hub:
        def __init__(self, token: str | None = None) -> None:
            asked["token"] = token

        def create_repo(self, name: str, **more: Any) -> Any:
            asked["name"], asked["private"] = name, more["private"]
            return type("Repository", (), {"repo_id": name})()

        def upload_folder(self, *, folder_path: Path, allow_patterns: list[str], **more: Any) -> Any:
            snapshot.mkdir(parents=True)
            blobs.mkdir()
            for path in Path(folder_path).iterdir():
                assert path.name in allow_patterns
                (blobs / path.name).write_bytes(path.read_bytes())
                (snapshot / path.name).symlink_to(blobs / path.name)
            return type("Commit", (), {"commit_url": "https://example.org/commit"})()

    def download(name: str, *, revision: str | None, **more: Any) -> str:
        if (name, revision) != ("me/films", "main"):
            raise huggingface_hub.errors.LocalEntryNotFoundError("not there")
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    made = PromptClassifier(HARD, WORDS).fit(TEXTS, LABELS)
    assert made.push_to_hub("me/films", private=True, token="t", metrics={"a": 1}) == "https://example.org/commit"
    assert asked == {"token": "t", "name": "me/films", "private": True}
    assert {path.name for path in blobs.iterdir()} == {TENSORS, RECORD, DIGEST, "README.md"}
    again = PromptClassifier.from_pretrained("me/films", revision="main")
    assert again.predict_log_proba(TEXTS).tobytes() == made.predict_log_proba(TEXTS).tobytes()
    assert code_of(lambda: PromptClassifier.from_pretrained("me/films", revision="other")) == "PD838"
    assert code_of(lambda: PromptClassifier.from_pretrained("films")) == "PD830"
    # A stranger's artefact does not say which folder of this machine is read.
    for path in snapshot.iterdir():
        path.unlink()
        path.write_bytes((blobs / path.name).read_bytes())
    tampered(snapshot, put("language_model.name", str(tmp_path)))
    assert code_of(lambda: PromptClassifier.from_pretrained("me/films", revision="main")) == "PD842"


def test_a_hub_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    class Hub(huggingface_hub.HfApi):
        def create_repo(self, *_: Any, **__: Any) -> Any:
            raise huggingface_hub.errors.HFValidationError("no such name")

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert code_of(lambda: PromptClassifier(HARD, WORDS).push_to_hub("me/films")) == "PD838"
