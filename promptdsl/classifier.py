"""PromptClassifier: two strings and a language model, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from torch import Tensor

from promptdsl.encoding.rows import as_rows
from promptdsl.errors import fail
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.ablation import Ablation
from promptdsl.models.inspection import NearestWords
from promptdsl.models.loading import LanguageModel, as_language_model
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.prototype_words import Prototype
from promptdsl.models.recipe import Recipe
from promptdsl.models.tuning import check_tune
from promptdsl.training.artefact_estimator import load_classifier, push_classifier, save_classifier
from promptdsl.training.fitting import fit_verbalizer
from promptdsl.training.prompt_fitting import Fitted, fit_prompt
from promptdsl.training.settings import TrainingSettings
from promptdsl.training.targets import Targets

__all__ = ["PromptClassifier"]

# Parameter → the setting of TrainingSettings that it changes.
CHANGES: Mapping[str, str] = {
    "learning_rate": "learning_rate",
    "prompt_learning_rate": "prompt_learning_rate",
    "verbalizer_learning_rate": "verbalizer_learning_rate",
    "epochs": "epochs",
    "steps": "steps",
    "train_batch_size": "batch_size",
}


class PromptClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A text classifier made of a template, a verbalizer and a language model.

    It predicts without `fit`, from the verbalizer's labels alone (zero-shot), unless the strings ask for rows. `fit` on
    labelled rows learns what the verbalizer has to learn, else a bias for each class; then it trains the template's
    soft tokens and prefix, if there are any. The language model stays frozen (`tune="prompt"`), or a copy of it is
    tuned. `fit` on rows without labels refines and calibrates label words. With a demos tag the rows become solved
    examples.

    Args:
        template: the template string, or a Template.
        verbalizer: the verbalizer string, a Verbalizer, or a mapping label → words.
        model: "pocket-mlm", "pocket-clm", a folder, a hub name, a LanguageModel, or a pair (model, tokenizer). Names
            are loaded once however many classifiers use them.
        tune: what of the language model is trained: "prompt" (nothing), "full", "bitfit" (its biases), or a PEFT
            configuration such as LoraConfig(target_modules=["query", "value"]).
        max_length: the most positions of an input; by default what the language model takes.
        dtype: "auto" (float32 for names and folders, else the model's own), "float32", "bfloat16" or "float16".
        device: a torch device; CPU by default.
        multi_label: a row may have any number of labels. `y` is then a list of labels a row, or a table of 0 and 1
            with a column for each class in the order of `classes_`; such a table is what `predict` returns.
        batch_size: rows of a forward pass in prediction, at most.
        settings: how to train, a TrainingSettings.
        learning_rate, prompt_learning_rate, verbalizer_learning_rate, epochs, steps, train_batch_size: what is to be
            otherwise than in `settings`.
        random_state: the seed of everything that is random; None is 0.
        verbose: show the progress of training.

    Attributes:
        classes_: the labels, sorted. Where all labels are whole numbers and `y` has whole numbers, they are numbers.
        bias_: (classes,) the learnt bias of each class, after `fit` with `tune="prompt"`; 0 where others learn.
        scale_: what the log-odds of all classes are multiplied with, learnt with `multi_label`; 1 where others learn.
        verbalizer_: the verbalizer with the label words that were made, found and kept; its `audit()` says whence.
        prompt_model_: the PromptModel in use, after `fit`.
        training_: the TrainingRun with its log, after a `fit` that trained something.
        trained_parameters_: how many numbers `fit` learnt.
    """

    _callbacks: Sequence[Any] = ()  # of transformers.Trainer, for those who show how far training is

    def __init__(
        self,
        template: Template | str,
        verbalizer: Verbalizer | str | dict[str, Any],
        model: Any = "pocket-mlm",
        *,
        tune: Any = "prompt",
        max_length: int | None = None,
        dtype: str = "auto",
        device: str | None = None,
        multi_label: bool = False,
        batch_size: int = 64,
        settings: TrainingSettings | None = None,
        learning_rate: float | None = None,
        prompt_learning_rate: float | None = None,
        verbalizer_learning_rate: float | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        train_batch_size: int | None = None,
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
        self.multi_label = multi_label
        self.batch_size = batch_size
        self.settings = settings
        self.learning_rate = learning_rate
        self.prompt_learning_rate = prompt_learning_rate
        self.verbalizer_learning_rate = verbalizer_learning_rate
        self.epochs = epochs
        self.steps = steps
        self.train_batch_size = train_batch_size
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Sequence[Any] | None = None, *, support: Any = None) -> PromptClassifier:  # noqa: N803
        """Learn from rows.

        Args:
            X: texts, pairs, mappings, a DataFrame or a Dataset.
            y: one label a row, matched to the verbalizer's labels by its text. For `multi_label` a list, tuple or set
                of labels a row, or a table of 0 and 1 with a column for each class, the labels sorted as texts (in a
                DataFrame whose columns are named, as they are named). Without it only words are refined and calibrated.
            support: rows without labels to refine and calibrate on; by default X.

        Raises:
            PromptDSLError: PD701 for a label that the verbalizer does not have or a wrong number of labels, PD714 where
                labels are needed and not given, PD6 for rows that cannot be read.
        """
        rows = as_rows(X)
        model = self._built()
        targets = Targets.of(y, model.labels, len(rows), multi_label=self.multi_label)
        seed, options = self._seed(), {"support": support, "batch_size": self.batch_size}
        if self.tune != "prompt" or model.prompt.learns:
            settings, watched = self._settings(seed), {"tune": self.tune, "callbacks": self._callbacks}
            fitted = fit_prompt(self._recipe(), model, rows, targets.tensor, settings, **options, **watched)
        else:
            fitted = Fitted(fit_verbalizer(model, rows, targets.tensor, seed=seed, **options))
        self.prompt_model_, self._labels, self.training_ = fitted.model, targets.labels, fitted.run
        self._outside_head = fitted.outside_head
        self.n_features_in_ = len(rows.columns)
        return self

    @property
    def trained_parameters_(self) -> int:
        """How many numbers `fit` learnt: of prompt and language model those trained, of the verbalizer those kept."""
        if not hasattr(self, "prompt_model_"):
            raise AttributeError("trained_parameters_ is there after fit")
        return self.prompt_model_.head.learnt + self._outside_head

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, sorted: the columns of `predict_proba`."""
        return np.asarray(getattr(self, "_labels", np.array(Verbalizer(self.verbalizer).labels)))[self._order()]

    def _order(self) -> NDArray[np.intp]:
        """The verbalizer's class numbers in the order of `classes_`."""
        labels = getattr(self, "_labels", np.array(Verbalizer(self.verbalizer).labels))
        return np.argsort(labels)

    @property
    def bias_(self) -> NDArray[np.float64]:
        """The learnt bias of each class, in the order of `classes_`."""
        if not hasattr(self, "prompt_model_") or self.tune != "prompt":
            raise AttributeError('bias_ is there after fit with tune="prompt"')
        bias: NDArray[np.float64] = self.prompt_model_.head.bias.double().cpu().numpy()
        return bias[self._order()]

    @property
    def scale_(self) -> float:
        """The learnt scale of the log-odds of `multi_label`."""
        if not self.multi_label or not hasattr(self, "prompt_model_"):
            raise AttributeError("scale_ is there after fit with multi_label=True")
        return float(self.prompt_model_.head.log_scale.exp())

    @property
    def verbalizer_(self) -> Verbalizer:
        """The verbalizer with the label words that were made, found and kept."""
        return self._model().verbalizer.verbalizer

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Accuracy; for `multi_label` the share of rows that have all their labels right, `y` as `fit` takes it."""
        if self.multi_label:
            data = as_rows(X)
            X, y = data, self._numbers(y, len(data))[:, self._order().tolist()].numpy()  # noqa: N806
        return float(super().score(X, y, sample_weight))

    def _numbers(self, y: Any, rows: int) -> Tensor:
        """What rows are labelled with, in the verbalizer's numbers: (rows,), or (rows, classes) of 0 and 1."""
        order = self._order().tolist()
        given = Targets.of(y, self._model().labels, rows, multi_label=self.multi_label, columns=order).tensor
        if given is None:
            fail("PD714", "a score needs labels", help="give them for each row", origin="y")
        return given

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Class log-probabilities: (rows, classes), the columns in the order of `classes_`.

        Raises:
            TrainingError: PD713 where the strings need rows that were not given yet.
        """
        scores = self._model().predict_log_proba(X, batch_size=self.batch_size).astype(np.float64)[:, self._order()]
        return np.asarray(log_expit(scores) if self.multi_label else log_softmax(scores, axis=1))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Class probabilities: (rows, classes), the columns in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The likeliest label of each row; for `multi_label` (rows, classes) 1 where p ≥ 1/2, else 0."""
        scores = self.predict_log_proba(X)
        if self.multi_label:
            return np.asarray(scores >= np.log(0.5), np.int64)
        return np.asarray(self.classes_[scores.argmax(axis=1)])

    def top_words(self, X: Any, k: int = 10) -> list[list[list[tuple[str, float]]]]:  # noqa: N803
        """What the language model itself would put at each mask of each row, with probabilities."""
        return self._model().top_words(X, k, batch_size=self.batch_size)

    def prototype_words(self, k: int = 5) -> list[Prototype]:
        """What each prototype of `cluster` and `prototype` items stands for, in words of the vocabulary."""
        return self._model().prototype_words(k)

    def save_pretrained(self, folder: str | Path, *, metrics: Any = None, seeds: Any = None) -> None:
        """Write what was learnt to a folder, without the language model; see `promptdsl.training.artefact.save`.

        Args:
            folder: it is made if it is not there; killed at any moment, it has what it had before, or this.
            metrics: scores by name, for the model card.
            seeds: seeds by name; by default `random_state`.

        Raises:
            FileError: PD804 if the system refuses, PD839 for what cannot be saved.
        """
        save_classifier(self, folder, metrics=metrics, seeds=seeds)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, model: Any = None, *, revision: str | None = None, device: str | None = None
    ) -> PromptClassifier:
        """The classifier that was saved to a folder or pushed to a hub; it says what it said, to the last bit.

        Args:
            name: the folder, or "owner/name" on the hub.
            model: the language model, if the artefact's name of it does not lead to it.
            revision: of the hub.
            device: a torch device.

        Raises:
            FileError: PD830–PD842 for whatever is wrong with it, or does not go with the language model.
        """
        made: PromptClassifier = load_classifier(cls, name, model, revision, device)
        return made

    def push_to_hub(self, name: str, **options: Any) -> str:
        """Save to "owner/name" on a hub; the options of `save_pretrained` and of `artefact_hub.pushed`.

        Solved examples (a demos tag) are rows of the fitted data: they go along.
        """
        return push_classifier(self, name, **options)

    def nearest_words(self, k: int = 5) -> list[NearestWords]:
        """The k words of the vocabulary nearest to each soft token of the template; nearness is not meaning."""
        return self._model().prompt.nearest_words(k)

    def ablation(self, X: Any, y: Any) -> Ablation:  # noqa: N803
        """How well labelled rows are predicted without each soft token and each position of the prefix."""
        data = as_rows(X)
        return self._model().ablation(data, self._numbers(y, len(data)), batch_size=self.batch_size)

    def _model(self) -> PromptModel:
        """What predicts: the fitted model, else the zero-shot one."""
        return getattr(self, "prompt_model_", None) or self._built()

    def _language_model(self) -> LanguageModel:
        """The language model of these parameters; one that was given as a pair is wrapped once."""
        known = self.__dict__.get("_wrapped")
        if known is not None and isinstance(self.model, (tuple, list)) and known.model is self.model[0]:
            return known  # type: ignore[no-any-return]
        self._wrapped = as_language_model(self.model, dtype=self.dtype, device=self.device)
        return self._wrapped

    def _built(self) -> PromptModel:
        """The frozen PromptModel of these parameters, shared between classifiers that have the same."""
        check_tune(self.tune)
        return self._recipe().shared()

    def _recipe(self) -> Recipe:
        """What all PromptModels of these parameters are made of."""
        lm = self._language_model()
        return Recipe(lm, self.template, self.verbalizer, self.max_length, self.dtype, self.device, self.multi_label)

    def _settings(self, seed: int) -> TrainingSettings:
        """The settings with what the parameters change of them."""
        changes = {setting: getattr(self, name) for name, setting in CHANGES.items()}
        return (self.settings or TrainingSettings()).changed(seed=seed, verbose=self.verbose or None, **changes)

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
        tags.classifier_tags.multi_label = self.multi_label
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags
