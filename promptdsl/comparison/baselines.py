"""What a prompt has to beat: the commonest class, and words with logistic regression."""

from __future__ import annotations

from collections import Counter
from time import perf_counter
from typing import Any

from promptdsl.comparison.data import Labelled
from promptdsl.comparison.task import Outcome, Skipped, Task
from promptdsl.comparison.values import NO_SENSE
from promptdsl.errors import fail

__all__ = ["run_majority", "run_tfidf", "texts_of"]

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of C, which cross-validation chooses from
FOLDS = 5
NO_ROWS = Skipped(NO_SENSE, "it is learnt from labelled rows, and there are no shots")


def run_majority(task: Task) -> Outcome | Skipped:
    """The commonest class of the training rows; of equally common ones the first in the alphabet."""
    if not len(task.train):
        return NO_ROWS
    start = perf_counter()
    counts = Counter(task.train.labels)
    label = min(counts, key=lambda c: (-counts[c], c))
    fitted = perf_counter()
    return Outcome([label] * len(task.test), 1, fitted - start, perf_counter() - fitted)


def run_tfidf(task: Task) -> Outcome | Skipped:
    """TF-IDF of words and pairs of words, and logistic regression.

    C is chosen by stratified cross-validation on the shots, where every class has two rows; else it is 1.

    Raises:
        TrainingError: PD746 where the rows have no words.
    """
    if not len(task.train):
        return NO_ROWS
    if len(set(task.train.labels)) < 2:
        return run_majority(task)
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    start = perf_counter()
    labels = list(task.train.labels)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model: Any = make_pipeline(words, LogisticRegression(max_iter=2000))
    folds = min(FOLDS, *Counter(labels).values())
    if folds > 1:
        split = StratifiedKFold(folds, shuffle=True, random_state=task.seed)
        choices = {"logisticregression__C": STRENGTHS}
        model = GridSearchCV(model, choices, cv=split, scoring="neg_log_loss", error_score="raise")
    try:
        model.fit(texts_of(task.train, task.columns), labels)
    except ValueError as error:
        message = f"TF-IDF with logistic regression cannot be fitted: {str(error).splitlines()[0]}"
        fail("PD746", message, help="leave the baseline out, or give rows with words", origin="baselines")
    fitted = perf_counter()
    predicted = [str(label) for label in model.predict(texts_of(task.test, task.columns))]
    final = getattr(model, "best_estimator_", model)[-1]
    return Outcome(predicted, final.coef_.size + final.intercept_.size, fitted - start, perf_counter() - fitted)


def texts_of(data: Labelled, columns: Any) -> list[str]:
    """One text a row: the columns that the templates read, a blank between them; values that are missing are empty."""
    shown = [data.rows.columns[name] for name in columns if name in data.rows.columns]
    return [" ".join(str(v) for v in values if isinstance(v, (str, int, float))) for values in zip(*shown, strict=True)]
