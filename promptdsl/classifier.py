"""PromptClassifier: two strings and a language model, as a scikit-learn estimator."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state

from promptdsl.encoding.rows import as_rows
from promptdsl.errors import fail, printable
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.loading import LanguageModel, as_language_model
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.trainer import TrainingSettings, train
from promptdsl.verbalizers.calibration import add_bias, fit_class_bias

__all__ = ["PromptClassifier"]

KEPT = 64  # PromptModels that a language model keeps for use again
_lock = threading.Lock()


class PromptClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A text classifier made of a template, a verbalizer and a language model.

    It predicts without `fit`, from the verbalizer's labels alone (zero-shot). `fit` on labelled rows learns a bias for
    each class while the language model stays frozen (`tune="prompt"`), or tunes a copy of it (`tune="full"`).

    Args:
        template: the template string, or a Template.
        verbalizer: the verbalizer string, a Verbalizer, or a mapping label → words.
        model: "pocket-mlm", "pocket-clm", a folder, a hub name, a LanguageModel, or a pair (model, tokenizer). Names
            are loaded once however many classifiers use them.
        tune: "prompt" or "full".
        max_length: the most positions of an input; by default what the language model takes.
        dtype: "auto" (float32 for names and folders, else the model's own), "float32", "bfloat16" or "float16".
        device: a torch device; CPU by default.
        batch_size: rows of a forward pass in prediction, at most.
        learning_rate, epochs, train_batch_size: of `tune="full"`.
        random_state: the seed of everything that is random; None is 0.
        verbose: show the progress of training.

    Attributes:
        classes_: the labels, sorted. Where all labels are whole numbers and `y` has whole numbers, they are numbers.
        bias_: (classes,) the learnt bias of each class, after `fit` with `tune="prompt"`.
        prompt_model_: the PromptModel in use, after `fit`.
    """

    def __init__(
        self,
        template: Template | str,
        verbalizer: Verbalizer | str | dict[str, Any],
        model: Any = "pocket-mlm",
        *,
        tune: str = "prompt",
        max_length: int | None = None,
        dtype: str = "auto",
        device: str | None = None,
        batch_size: int = 64,
        learning_rate: float = 5e-5,
        epochs: int = 10,
        train_batch_size: int = 8,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.template = template
        self.verbalizer = verbalizer
        self.model = model
        self.tune = tune
        self.max_length = max_length
        self.dtype = dtype
        self.device = device
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.train_batch_size = train_batch_size
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Sequence[Any]) -> PromptClassifier:  # noqa: N803 - scikit-learn's name
        """Learn from labelled rows.

        Args:
            X: texts, pairs, mappings, a DataFrame or a Dataset.
            y: one label a row; matched to the verbalizer's labels by its text.

        Raises:
            PromptDSLError: PD701 for a label that the verbalizer does not have or a wrong number of labels, PD6 for
                rows that cannot be read.
        """
        rows = as_rows(X)
        model = self._built()
        wanted, classes = _match_labels(y, model.labels)
        if len(wanted) != len(rows):
            fail("PD701", f"{len(rows)} rows and {len(wanted)} labels", help="give one label for each row", origin="y")
        if not len(rows):
            fail("PD701", "no rows to learn from", help="predict without fit for zero-shot", origin="y")
        order = np.argsort(classes)
        bias: NDArray[np.float64] | None = None
        if self.tune == "full":
            settings = self._settings()
            model = train(self._new_model("full"), rows, wanted.tolist(), settings)
        else:
            bias = fit_class_bias(model.predict_log_proba(rows, batch_size=self.batch_size), wanted)
        self.prompt_model_ = model
        self._classes, self._bias = classes[order], bias
        if bias is not None:
            self.bias_ = bias[order]
        elif hasattr(self, "bias_"):
            del self.bias_
        self.n_features_in_ = len(rows.columns)
        return self

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, sorted: the columns of `predict_proba`."""
        if hasattr(self, "_classes"):
            return np.asarray(self._classes)
        return np.array(sorted(Verbalizer(self.verbalizer).labels))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Class log-probabilities: (rows, classes), the columns in the order of `classes_`."""
        model = getattr(self, "prompt_model_", None) or self._built()
        scores = model.predict_log_proba(X, batch_size=self.batch_size).astype(np.float64)
        bias = getattr(self, "_bias", None)
        scores = add_bias(scores, np.zeros(len(model.labels)) if bias is None else bias)
        place = {label: i for i, label in enumerate(model.labels)}
        return scores[:, [place[str(c)] for c in self.classes_]]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Class probabilities: (rows, classes), the columns in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The likeliest label of each row."""
        return np.asarray(self.classes_[self.predict_log_proba(X).argmax(axis=1)])

    def top_words(self, X: Any, k: int = 10) -> list[list[list[tuple[str, float]]]]:  # noqa: N803
        """What the language model itself would put at each mask of each row, with probabilities."""
        model = getattr(self, "prompt_model_", None) or self._built()
        return model.top_words(X, k, batch_size=self.batch_size)

    def _language_model(self) -> LanguageModel:
        """The language model of these parameters; one that was given as a pair is wrapped once."""
        known = self.__dict__.get("_wrapped")
        if known is not None and isinstance(self.model, (tuple, list)) and known.model is self.model[0]:
            return known  # type: ignore[no-any-return]
        self._wrapped = as_language_model(self.model, dtype=self.dtype, device=self.device)
        return self._wrapped

    def _built(self) -> PromptModel:
        """The frozen PromptModel of these parameters, shared between classifiers that have the same."""
        if self.tune not in ("prompt", "full"):
            fail("PD516", f'tune is "prompt" or "full", not {self.tune!r}', origin="tune")
        lm = self._language_model()
        key = (Template(self.template), Verbalizer(self.verbalizer), self.max_length, self.dtype, self.device)
        with _lock:
            if key not in lm.built:
                if len(lm.built) >= KEPT:
                    lm.built.clear()
                lm.built[key] = self._new_model("prompt")
            return lm.built[key]  # type: ignore[no-any-return]

    def _new_model(self, tune: str) -> PromptModel:
        lm = self._language_model()
        options: dict[str, Any] = {"max_length": self.max_length, "dtype": self.dtype, "device": self.device}
        return PromptModel(lm, self.template, self.verbalizer, tune=tune, **options)

    def _settings(self) -> TrainingSettings:
        return TrainingSettings(
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            batch_size=self.train_batch_size,
            seed=self._seed(),
            verbose=self.verbose,
        )

    def _seed(self) -> int:
        if self.random_state is None or isinstance(self.random_state, (int, np.integer)):
            return int(self.random_state or 0)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def __sklearn_is_fitted__(self) -> bool:
        """Always: a verbalizer's labels are enough to predict."""
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags


def _match_labels(y: Any, labels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Class numbers of `y`, matched by text, and the labels as the kind of value that `y` has.

    Raises TrainingError PD701 for a label that the verbalizer does not have.
    """
    if isinstance(y, (str, bytes)) or not isinstance(y, Iterable):
        fail(
            "PD701",
            f"labels cannot be read from {type(y).__name__}",
            help="give a list, one label for each row",
            origin="y",
        )
    given = [v.item() if isinstance(v, np.generic) else v for v in y]
    place = {label: i for i, label in enumerate(labels)}
    for row, value in enumerate(given):
        if str(value) not in place:
            fail(
                "PD701",
                f'row {row} has the label "{printable(str(value), 80)}", which the verbalizer does not have',
                help=f"its labels are {', '.join(printable(label, 40) for label in labels[:20])}",
                origin="y",
            )
    numbers = np.array([place[str(v)] for v in given], np.int64)
    return numbers, _typed(labels, given)


def _typed(labels: Sequence[str], given: Sequence[Any]) -> NDArray[Any]:
    """The labels as whole numbers or booleans where `y` has such and every label reads as one; else as texts."""
    readable: dict[type, dict[str, Any]] = {
        bool: {"True": True, "False": False},
        int: {label: int(label) for label in labels if label.lstrip("-").isdecimal()},
    }
    for kind, table in readable.items():
        same_kind = bool(given) and all(type(v) is kind for v in given)
        if same_kind and all(label in table and str(table[label]) == label for label in labels):
            return np.array([table[label] for label in labels])
    return np.array(labels)
