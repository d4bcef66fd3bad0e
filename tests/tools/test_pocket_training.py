"""The recipe of the pocket models, part by part: held-out rule, vocabulary cut, masking, schedule, checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from pocket_training import causal, loop, masked, text

PIECES = [
    *("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "b", "c", "##a", "##b", "##c", "é"),
    *("##é", "ab", "abc", "##bc", "##cab", "cab", "bca"),
]
OLD = {piece: index for index, piece in enumerate(PIECES)}


def word_piece(vocabulary: dict[str, int]) -> Tokenizer:
    """A reference: the tokenizers library's own WordPiece."""
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


@pytest.fixture
def splitter() -> masked.WordSplitter:
    counts = np.zeros(len(PIECES))
    counts[[OLD["ab"], OLD["##cab"]]] = 5.0
    kept = masked.choose_pieces(OLD, counts, size=14, rare=1.0)
    return masked.WordSplitter(OLD, kept)


def test_cut_keeps_specials_ascii_and_the_commonest_and_drops_rare_characters(splitter) -> None:
    assert set(splitter.pieces) == {
        *masked.SPECIALS,
        *(".", "a", "b", "c", "##a", "##b", "##c"),
        *("ab", "##cab"),
    }
    assert [splitter.pieces[piece] for piece in masked.SPECIALS] == [0, 1, 2, 3, 4]


def test_rewritten_words_equal_word_piece_with_the_cut_vocabulary(splitter) -> None:
    old, new = word_piece(OLD), word_piece(splitter.pieces)
    rng = np.random.default_rng(0)
    for _ in range(300):
        sentence = " ".join("".join(rng.choice(list("abcé."), rng.integers(1, 9))) for _ in range(4))
        ids = np.array(old.encode(sentence).ids, dtype=np.uint16)
        rewritten = [i for word in splitter.words(ids) for i in word[1]]
        assert rewritten == new.encode(sentence).ids, sentence


def test_masked_row_restores_both_texts_and_pairs_equal_words_only(splitter) -> None:
    ids = np.array(word_piece(OLD).encode("abc ab cab . abc bca ab").ids, dtype=np.uint16)
    words = splitter.words(ids)
    specials = [OLD["[CLS]"], OLD["[SEP]"], OLD["[MASK]"]]
    row = masked.mask_words(words, np.random.default_rng(1), 64, 0.5, specials)
    assert 0 < len(row.places) < len(row.new)
    restored = list(row.new)
    for place, target in zip(row.places, row.targets, strict=True):
        assert restored[place] == masked.MASK
        restored[place] = target
    assert restored == [masked.CLS, *(i for word in words for i in word[1]), masked.SEP]
    plain = [specials[0], *(i for word in words for i in word[0]), specials[1]]
    for new, old in row.pairs:
        assert row.old[old] == specials[2]
        assert splitter.names[plain[old]] == list(splitter.pieces)[restored[new]]


def test_every_hundredth_document_is_held_out_and_only_the_train_file_is_read(tmp_path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "train.jsonl").write_text("\n".join(f'{{"text_a": "t{i}", "label": "x"}}' for i in range(250)))
    (folder / "dev.jsonl").write_text("not JSON")
    texts = text.documents(text.Source("toy", "set", 1.0), tmp_path, tmp_path)
    text.write_stream(tmp_path, "toy", texts, lambda batch: [[int(t[1:]), 999] for t in batch], chunk=16)
    held_out = np.load(tmp_path / "toy.heldout.npy")
    train = np.load(tmp_path / "toy.train.npy")
    assert held_out.tolist() == [7, 999, 107, 999, 207, 999]
    assert sorted(set(train.tolist())) == [i for i in range(250) if i % 100 != 7] + [999]


def test_lowered_copy_looks_as_sst2_is_distributed() -> None:
    assert text.as_distributed_sst2("It's well-made, isn't it?") == "it 's well made , is n't it ?"


def test_schedule_warms_up_stays_and_falls_to_almost_nothing() -> None:
    schedule = loop.Schedule(warmup=4, decay_from=10, decay_steps=4)
    assert [schedule.factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert schedule.factor(9) == 1.0
    assert [round(schedule.factor(step), 3) for step in range(10, 14)] == [0.8, 0.6, 0.4, 0.2]


def test_a_run_taken_up_again_ends_where_an_unbroken_one_does(tmp_path) -> None:
    def run(folder: Path, *stops: int) -> torch.Tensor:
        for stop in stops:
            model = causal.build(16, layers=1, hidden=8, feed_forward=8, heads=2, seed=0)
            optimizers = causal.optimizers(model, 0.02, 1e-2)

            def loss_at(step: int, model=model) -> tuple[torch.Tensor, int, dict[str, float]]:
                ids = torch.from_numpy(np.random.default_rng(step).integers(3, 16, (2, 9)))
                return causal.causal_loss(model, ids), 16, {}

            loop.train(
                run=folder,
                model=model,
                optimizers=optimizers,
                schedule=loop.Schedule(2),
                loss_at=loss_at,
                evaluate=lambda: {"heldout": 0.0},
                steps=stop,
                minutes=9.0,
                start=None,
                evaluate_every=100,
            )
        return torch.cat([value.detach().flatten() for value in model.parameters()])

    broken, whole = run(tmp_path / "broken", 3, 6), run(tmp_path / "whole", 6)
    assert torch.equal(broken, whole)
    assert not torch.equal(whole, run(tmp_path / "shorter", 5))
