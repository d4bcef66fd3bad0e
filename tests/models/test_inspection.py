"""What is seen inside a prompt, against numpy, plain transformers and prompts that were changed by hand."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from families import tiny
from torch import Tensor

from promptdsl import PromptClassifier, PromptDSLError
from promptdsl.models.prompt_model import PromptModel

TEXTS = ["A stirring, funny film", "the plot is dull", "I would see it again", "No.", "in the end"]
LABELS = torch.tensor([1, 0, 1, 0, 0])
WORDS = "no: the; yes: a, of"
SOFT = '<"placeholder":"text_a"> <"soft":"It was"> <"mask"> .'
PREFIX = '<"prefix":{}><"placeholder":"text_a"> It was <"mask"> .'


def model_of(template: str, name: str = "bert", words: Any = WORDS, **options: Any) -> PromptModel:
    return PromptModel(tiny(name), template, words, **options)


def vectors_of(name: str) -> np.ndarray:
    """(vocabulary, width): what the plain model puts at each token's place."""
    model = tiny(name)[0]
    with torch.no_grad():
        found = model.get_input_embeddings()(torch.arange(model.config.vocab_size))
    return found.double().numpy()


def moved(model: PromptModel, scale: float = 1.0) -> PromptModel:
    """The same with other vectors, keys and values."""
    generator = torch.Generator().manual_seed(3)
    for part in model.prompt.parts:
        table = part.table() if hasattr(part, "table") else part()
        part.keep(table.detach() + scale * part.scale * torch.randn(table.shape, generator=generator))
    model.prompt.trained()
    return model


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


# --- nearest words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert", "albert", "gemma2"])
def test_nearest_words_by_brute_force(name: str) -> None:
    words = {"bert": WORDS}.get(name, {"no": ["a"], "yes": ["b"]})
    model = moved(model_of(SOFT.replace(" .", ""), name, words))
    text, vectors = model.program.text, vectors_of(name)
    table, middle = model.prompt.soft().detach().double().numpy(), vectors.mean(0)  # type: ignore[misc]
    found = model.prompt.nearest_words(4)
    assert [near.number for near in found] == list(range(len(table)))
    for near, vector in zip(found, table, strict=True):
        ids = [n for n in range(text.vocab_size) if n not in text.special_ids]
        known = {n: cosine(vector - middle, vectors[n] - middle) for n in ids}
        best = sorted(known, key=lambda n: -known[n])[:4]
        assert [word for word, _ in near.words] == [text.word(n) for n in best]
        np.testing.assert_allclose([value for _, value in near.words], [known[n] for n in best], atol=1e-5)
        assert near.tags == ('<"soft":"It was">',)


def test_a_vector_that_is_a_word_is_nearest_to_itself_however_long_it_is() -> None:
    model, vectors = model_of('<"soft":2> <"placeholder":"text_a"> <"mask">'), vectors_of("bert")
    ids = [tiny("bert")[1].get_vocab()[word] for word in ("the", "was")]
    middle = vectors.mean(0)
    made = np.stack([middle + 3 * (vectors[ids[0]] - middle), middle + 0.1 * (vectors[ids[1]] - middle)])
    model.prompt.soft.keep(torch.tensor(made))  # type: ignore[union-attr]
    first, second = model.prompt.nearest_words(1)
    assert str(first) == 'soft 0 in <"soft":2>: the 1.00'
    assert str(second) == 'soft 1 in <"soft":2>: was 1.00'


def test_what_all_embeddings_share_is_no_likeness() -> None:
    """A large vector that is added to every embedding changes no neighbour and no cosine."""
    pair = copy.deepcopy(tiny("bert")[0]), tiny("bert")[1]
    common = 5 * torch.randn(32, generator=torch.Generator().manual_seed(1))
    before = model_of(SOFT)
    found, alike = before.prompt.nearest_words(3), before.prompt.similarity()[0]
    with torch.no_grad():
        pair[0].get_input_embeddings().weight += common
    after = PromptModel(pair, SOFT, WORDS)
    assert [[w for w, _ in near.words] for near in after.prompt.nearest_words(3)] == [
        [w for w, _ in near.words] for near in found
    ]
    np.testing.assert_allclose(after.prompt.similarity()[0].cosines, alike.cosines, atol=1e-4)


def test_a_shared_vector_names_all_its_tags() -> None:
    template = '<"soft":1,"soft_id":1> <"placeholder":"text_a"> <"soft","soft_id":1> <"soft":"was"> <"mask">'
    first, second = model_of(template).prompt.nearest_words(1)
    assert first.tags == ('<"soft":1,"soft_id":1>', '<"soft","soft_id":1>')
    assert str(second) == 'soft 1 in <"soft":"was">: was 1.00'


@pytest.mark.parametrize("k", [0, -1, 2.0, True, "3"])
def test_a_number_of_words_that_is_none(k: Any) -> None:
    with pytest.raises(PromptDSLError, match="PD505"):
        model_of(SOFT).prompt.nearest_words(k)


def test_a_hard_prompt_has_nothing_inside() -> None:
    model = model_of('<"placeholder":"text_a"> It was <"mask"> .')
    assert model.prompt.nearest_words() == [] and model.prompt.similarity() == []
    found = model.ablation(TEXTS, LABELS)
    assert found.parts == () and found.whole.changed == 0
    assert len(model_of(SOFT).prompt.nearest_words(10**6)[0].words) == len(vectors_of("bert")) - 5  # but the specials


# --- similarity -------------------------------------------------------------------------------------------------------


def test_similarities_by_hand() -> None:
    model, middle = model_of('<"soft":4> <"placeholder":"text_a"> <"mask">'), vectors_of("bert").mean(0)
    made = np.zeros((4, 32))
    made[0, 0], made[1, 0], made[2, :2], made[3, 1] = 2, -1, 1, 5
    model.prompt.soft.keep(torch.tensor(made + middle))  # type: ignore[union-attr]
    (found,) = model.prompt.similarity()
    half = 0.5**0.5
    expected = [[1, -1, half, 0], [-1, 1, -half, 0], [half, -half, 1, half], [0, 0, half, 1]]
    np.testing.assert_allclose(found.cosines, expected, atol=1e-5)
    assert (found.title, found.labels) == ("soft tokens", ("soft 0", "soft 1", "soft 2", "soft 3"))
    lines = str(found).splitlines()
    assert lines[0] == "soft tokens" and lines[1] == "       soft 0 soft 1 soft 2 soft 3"
    assert lines[4] == "soft 2   0.71  -0.71   1.00   0.71"


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_similarities_of_a_prefix_are_those_of_its_keys(name: str) -> None:
    tag = '<"prefix":3,"encoder":"mlp","dropout":0.5>'
    model = model_of(PREFIX.format(3).replace('<"prefix":3>', tag), name, {"no": ["a"], "yes": ["b"]}).train()
    found = model.prompt.similarity()
    assert model.prompt.prefix.training  # type: ignore[union-attr]
    pairs = model.eval().prompt.prefix()  # type: ignore[misc]
    assert [f.title for f in found] == ["prefix, layer 0", "prefix, layer 1"]
    for similarity, (keys, _) in zip(found, pairs, strict=True):
        rows = [keys[:, n].detach().flatten().double().numpy() for n in range(3)]
        expected = [[cosine(a, b) for b in rows] for a in rows]
        np.testing.assert_allclose(similarity.cosines, expected, atol=1e-6)


# --- ablation ---------------------------------------------------------------------------------------------------------


def judged(scores: np.ndarray, whole: np.ndarray) -> tuple[float, float, float]:
    """Accuracy, mean loss and share of changed predictions, from class log-probabilities."""
    best, wanted = scores.argmax(1), LABELS.numpy()
    loss = -np.mean([row[y] for row, y in zip(scores, wanted, strict=True)])
    return float(np.mean(best == wanted)), float(loss), float(np.mean(best != whole.argmax(1)))


def plain_scores(vectors: Tensor) -> np.ndarray:
    """Class log-probabilities of TEXTS by plain transformers: words, two vectors, mask."""
    model, tokenizer = tiny("bert")
    label_ids = [[tokenizer.get_vocab()[w] for w in words] for words in (["the"], ["a", "of"])]
    found = []
    for text in TEXTS:
        ids = tokenizer(f"{text} It was [MASK] .", return_tensors="pt")["input_ids"]
        at = int((ids[0] == tokenizer.mask_token_id).nonzero())
        rows = model.get_input_embeddings()(ids)
        rows[0, at - 2 : at] = vectors
        log_p = model(inputs_embeds=rows).logits[0, at].log_softmax(-1)
        found.append(torch.stack([log_p[i].mean() for i in label_ids]).log_softmax(-1).numpy())
    return np.array(found)


@torch.no_grad()
def test_without_a_soft_token_there_is_the_mean_embedding() -> None:
    model = moved(model_of(SOFT), 3.0)
    table, mean = model.prompt.soft().clone(), torch.tensor(vectors_of("bert").mean(0)).float()  # type: ignore[misc]
    whole = plain_scores(table)
    found = model.ablation(TEXTS, LABELS)
    assert [part.without for part in (found.whole, *found.parts)] == ["nothing", "soft 0", "soft 1"]
    expected = [whole, plain_scores(torch.stack([mean, table[1]])), plain_scores(torch.stack([table[0], mean]))]
    for part, scores in zip((found.whole, *found.parts), expected, strict=True):
        np.testing.assert_allclose((part.accuracy, part.loss, part.changed), judged(scores, whole), atol=1e-5)
    losses = [part.loss for part in found.ranked]
    assert losses == sorted(losses, reverse=True) and losses[0] - losses[-1] > 0.01
    lines = str(found).splitlines()
    assert lines[0].startswith(f"without nothing: accuracy {found.whole.accuracy:.3f}, loss ")
    assert lines[1].startswith(f"without {found.ranked[0].without}: ") and len(lines) == 3


@pytest.mark.parametrize("name", ["bert", "gpt2"])
@torch.no_grad()
def test_without_a_prefix_position_there_is_the_mean_of_the_others(name: str) -> None:
    words = {"no": ["a"], "yes": ["b"]}
    model = moved(model_of(PREFIX.format(3) if name == "bert" else PREFIX.format(3)[:-2], name, words), 3.0)
    whole, table = model.predict_log_proba(TEXTS), model.prompt.prefix.table()  # type: ignore[union-attr]
    found = model.ablation(TEXTS, LABELS)
    for number, part in enumerate(found.parts):
        other = copy.deepcopy(model)
        changed = table.clone()
        changed[number] = sum(table[n] for n in range(3) if n != number) / 2
        other.prompt.prefix.keep(changed)  # type: ignore[union-attr]
        expected = judged(other.predict_log_proba(TEXTS).astype(float), whole)
        np.testing.assert_allclose((part.accuracy, part.loss, part.changed), expected, atol=1e-5)
        assert part.without == f"prefix {number}"
        assert abs(part.loss - found.whole.loss) > 1e-3


def test_without_a_prefix_of_one_there_is_the_hard_template() -> None:
    model = moved(model_of(PREFIX.format(1)), 3.0)
    hard = model_of(PREFIX.format(1).partition(">")[2])
    (part,) = model.ablation(TEXTS, LABELS).parts
    scores = hard.predict_log_proba(TEXTS).astype(float)
    expected = judged(scores, model.predict_log_proba(TEXTS))
    np.testing.assert_allclose((part.accuracy, part.loss, part.changed), expected, atol=1e-5)


@pytest.mark.parametrize("tune", ["prompt", "full"])
def test_the_model_is_left_as_it_is(tune: str) -> None:
    template = '<"prefix":2,"encoder":"mlp"><"soft":2,"encoder":"lstm"> <"placeholder":"text_a"> <"mask">'
    model = model_of(template, tune=tune).train()
    model.prompt.trained()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    view = model.backbone
    assert [p.without for p in model.ablation(TEXTS, LABELS).parts] == ["soft 0", "soft 1", "prefix 0", "prefix 1"]
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert model.backbone is view and model.prompt.backbone is view and model.training


def test_several_labels_a_row() -> None:
    model = moved(model_of(SOFT, multi_label=True), 3.0)
    wanted = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0]])
    scores = model.predict_log_proba(TEXTS).astype(float)
    p = 1 / (1 + np.exp(-scores))
    found = model.ablation(TEXTS, wanted).whole
    loss = -np.mean(np.where(wanted == 1, np.log(p), np.log(1 - p)))
    right = np.mean([np.array_equal(a, b) for a, b in zip(p >= 0.5, wanted == 1, strict=True)])
    np.testing.assert_allclose((found.accuracy, found.loss, found.changed), (right, loss, 0), atol=1e-5)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2, 0, 1], [0, 1, -1, 0, 1], [[0, 1]] * 5])
def test_labels_that_are_not_the_rows(labels: Any) -> None:
    with pytest.raises(PromptDSLError, match="PD701 5 rows, and labels"):
        model_of(SOFT).ablation(TEXTS, torch.tensor(labels))


def test_a_classifier_takes_labels_by_name() -> None:
    classifier = PromptClassifier(SOFT, "yes: a, of; no: the", tiny("bert"), steps=2)
    names = ["yes" if n else "no" for n in LABELS.tolist()]
    classifier.fit(TEXTS, names)
    found = classifier.ablation(TEXTS, names)
    assert found.whole.accuracy == classifier.score(TEXTS, names)
    place = [list(classifier.classes_).index(name) for name in names]
    expected = -classifier.predict_log_proba(TEXTS)[np.arange(5), place].mean()
    assert found.whole.loss == pytest.approx(expected, abs=1e-5)
    assert [part.without for part in found.parts] == ["soft 0", "soft 1"]
    near = classifier.nearest_words(2)
    assert near == classifier.prompt_model_.prompt.nearest_words(2) and len(near[0].words) == 2
    with pytest.raises(PromptDSLError, match="PD701"):
        classifier.ablation(TEXTS, ["good"] * 5)
    unfitted = PromptClassifier('<"soft":2> <"placeholder":"text_a"> <"mask">', WORDS, tiny("bert"))
    with pytest.raises(PromptDSLError, match="PD713"):
        unfitted.ablation(TEXTS, names)
