"""Floor 7: pictures, drawn with matplotlib, which is imported when one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promptdsl.classifier import PromptClassifier
from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import fail
from promptdsl.models.ablation import Ablation
from promptdsl.models.inspection import Similarity
from promptdsl.training.targets import Targets
from promptdsl.verbalizers.reliability import Reliability, reliability_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ablation", "reliability", "reliability_diagram", "similarity_map"]

SIDE = 4.0  # inches of a panel
LINE = 0.25  # inches of a bar with its name
NAMED = 40  # vectors of a map, at most, that are named one by one


def reliability(source: Any, rows: Any, labels: Sequence[Any], *, bins: int = 15) -> Reliability:
    """Confidence and accuracy, bin by bin; `str` draws them as text.

    Args:
        source: a PromptClassifier, or (rows, classes) probabilities.
        rows: what the classifier is to predict; None with probabilities.
        labels: the true labels of the rows; with probabilities the numbers of their columns.
        bins: how many, of equal width.

    Raises:
        VerbalizerError: PD463 for probabilities that are none, and for a classifier of rows with several labels.
        TrainingError: PD701 for labels that are not the classifier's.
    """
    if not isinstance(source, PromptClassifier):
        return reliability_bins(source, labels, bins)
    if source.multi_label:
        message = "a row with several labels has a confidence for each class, not one"
        fail("PD463", message, help="give one class's probabilities: column_stack([1 - p, p])", origin="source")
    data: Rows = as_rows(rows)
    wanted = Targets.of(labels, [str(label) for label in source.classes_], len(data)).tensor
    numbers = np.array([]) if wanted is None else wanted.numpy()
    return reliability_bins(source.predict_proba(data), numbers, bins)


def reliability_diagram(source: Any, rows: Any, labels: Sequence[Any], *, bins: int = 15, before: Any = None) -> Figure:
    """A reliability diagram (Guo et al. 2017, figure 1): accuracy against confidence, with the calibration error.

    The bars are the accuracy of the predictions in a bin; where they end below the diagonal the classifier is too
    sure. The gap to the mean confidence is drawn on top of them.

    Args:
        source, rows, labels, bins: as for `reliability`.
        before: another classifier, or other probabilities, of the same rows, drawn to the left: before calibration.

    Raises:
        FileError: PD820 where matplotlib is not installed.
        PromptDSLError: as `reliability`.

    Returns:
        A matplotlib Figure; `figure.savefig("reliability.png")` writes it.
    """
    panels = {"": source} if before is None else {"before": before, "after": source}
    figure = _figure(SIDE * len(panels), SIDE)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for place, (name, given) in zip(axes, panels.items(), strict=True):
        _draw(place, reliability(given, rows, labels, bins=bins), name)
    axes[0].set_ylabel("accuracy")
    return figure


def similarity_map(found: Similarity | Sequence[Similarity]) -> Figure:
    """How alike the vectors of a prompt are, as squares from blue (-1) over white (0) to red (1).

    Args:
        found: what `prompt.similarity()` gives, or some of it: a panel for each.

    Raises:
        FileError: PD820 where matplotlib is not installed.

    Returns:
        A matplotlib Figure.
    """
    panels = [found] if isinstance(found, Similarity) else list(found)
    figure = _figure(SIDE * max(1, len(panels)), SIDE)
    if not panels:  # of a prompt without vectors
        return figure
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, panel in zip(axes, panels, strict=True):
        image = place.imshow(panel.cosines, vmin=-1, vmax=1, cmap="RdBu_r")
        step = -(-len(panel.labels) // NAMED)
        shown = range(0, len(panel.labels), step)
        place.set_xticks(shown, panel.labels[::step], rotation=90, fontsize="small")
        place.set_yticks(shown, panel.labels[::step], fontsize="small")
        place.set_title(panel.title, fontsize="medium")
    figure.colorbar(image, ax=axes, label="cosine", shrink=0.8)
    return figure


def ablation(found: Ablation) -> Figure:
    """What a prompt loses without each of its vectors: bars of the mean loss, beside the whole prompt's, a line.

    The share of predictions that change stands at the end of each bar.

    Args:
        found: what `classifier.ablation(X, y)` or `model.ablation(rows, labels)` gives.

    Raises:
        FileError: PD820 where matplotlib is not installed.

    Returns:
        A matplotlib Figure.
    """
    figure = _figure(1.5 * SIDE, 1 + LINE * max(4, len(found.parts)))
    axes = figure.subplots()
    bars = axes.barh([part.without for part in found.parts], [part.loss for part in found.parts], color="tab:blue")
    axes.bar_label(bars, [f"{part.changed:.0%}" for part in found.parts], padding=2, fontsize="small")
    axes.axvline(found.whole.loss, color="grey", linestyle="--", linewidth=1, label="nothing")
    axes.invert_yaxis()  # the first on top
    axes.margins(x=0.1)
    axes.set(xlabel="mean loss, and how many predictions change", ylabel="without")
    axes.set_title(f"whole prompt: accuracy {found.whole.accuracy:.3f}", fontsize="medium")
    axes.legend(loc="lower right", fontsize="small")
    return figure


def _figure(wide: float, high: float) -> Figure:
    """An empty picture of some inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        fail("PD820", "pictures take matplotlib", help='pip install "promptdsl[plots]"', origin="plots")
    return Figure(figsize=(wide, high), layout="constrained")


def _draw(axes: Axes, found: Reliability, name: str) -> None:
    """One panel: bars, gaps, the diagonal."""
    full = [b for b in found.bins if b.count]
    left, wide = [b.low for b in full], [b.high - b.low for b in full]
    gaps = [b.confidence - b.accuracy for b in full]
    accuracies = [b.accuracy for b in full]
    edge: dict[str, Any] = {"align": "edge", "edgecolor": "black", "linewidth": 0.5}
    axes.bar(left, accuracies, wide, color="tab:blue", label="accuracy", **edge)
    axes.bar(left, gaps, wide, accuracies, color="tab:red", alpha=0.35, hatch="//", label="gap to confidence", **edge)
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="confidence")
    axes.set_title(f"{name}: " * bool(name) + f"expected calibration error {found.error:.3f}", fontsize="medium")
    axes.legend(loc="upper left", fontsize="small")
