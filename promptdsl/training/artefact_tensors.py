"""What of a PromptModel was trained or fitted, as tensors by name, and how a fresh one gets it back.

soft, prefix: (n, width), without the networks that they went through. head.…: what the verbalizer learnt, without what
is as it is before fitting. lm.…: what was trained of the language model. demos.…: solved examples as token ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from promptdsl.encoding.demos import Demonstration
from promptdsl.models.demonstrations import DemoStore
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.tuning import is_peft
from promptdsl.training.artefact_record import refuse
from promptdsl.verbalizers.head import VerbalizerHead

__all__ = ["give_back", "trained_tensors"]


def trained_tensors(model: PromptModel) -> dict[str, Tensor]:
    """Name → tensor of all that a frozen language model and the two strings do not say."""
    found = {}
    with torch.no_grad():
        if model.prompt.soft is not None:
            found["soft"] = model.prompt.soft()
        if model.prompt.prefix is not None:
            found["prefix"] = model.prompt.prefix.table()
    found |= {f"head.{name}": tensor for name, tensor in _head(model.head).items()}
    given = dict(model.lm.model.named_parameters(remove_duplicate=False))
    changed = {n: t for n, t in _language_model(model).items() if n not in given or not _is_equal(given[n], t)}
    found |= {f"lm.{name}": tensor for name, tensor in changed.items()}
    return found | ({} if model.demos is None else _examples(model.demos, model.labels))


@torch.no_grad()
def give_back(model: PromptModel, tensors: Mapping[str, Tensor], seed: int) -> None:
    """Put tensors that `trained_tensors` gave into a model that was built alike and not trained yet.

    Args:
        model: changed in place.
        tensors: by name; nothing of them is believed.
        seed: of the draws of solved examples.

    Raises:
        FileError: PD835 for names, shapes or values that do not fit the model.
    """
    left = dict(tensors)
    parts = {"soft": model.prompt.soft, "prefix": model.prompt.prefix}
    for name, part in parts.items():
        if part is not None:
            part.keep(_like(left, name, part.start))
    _give_head(model, _taken(left, "head."))
    language_model = _language_model(model)
    for name, tensor in _taken(left, "lm.").items():
        if name not in language_model:
            refuse(f'"lm.{name[:100]}" is not what is trained of this language model')
        language_model[name].copy_(_like({name: tensor}, name, language_model[name]))
    examples = _taken(left, "demos.")
    if examples:
        model.demos = _examples_of(model, examples, seed)
    if left:
        refuse(f'"{min(left)[:100]}" is nothing that this model has')


def _taken(left: dict[str, Tensor], before: str) -> dict[str, Tensor]:
    """Those whose names begin alike, without that beginning; they are taken out."""
    return {name.removeprefix(before): left.pop(name) for name in [n for n in left if n.startswith(before)]}


def _like(left: dict[str, Tensor], name: str, expected: Tensor) -> Tensor:
    """The tensor of a name, taken out; PD835 if it is missing or of another shape or kind."""
    tensor = left.pop(name, None)
    if tensor is None:
        refuse(f'the tensor "{name[:100]}" is missing')
    if tensor.shape != expected.shape or tensor.is_floating_point() != expected.is_floating_point():
        shapes = [" × ".join(map(str, t.shape)) or "one number" for t in (tensor, expected)]
        refuse(f'"{name[:100]}" is {shapes[0]}, and the model has {shapes[1]}')
    return tensor.to(expected.device)


# --- the verbalizer's head --------------------------------------------------------------------------------------------


def _head(head: VerbalizerHead) -> dict[str, Tensor]:
    """Parameters, what sources learnt, and the buffers that fitting changed."""
    before = _before_fitting(head)
    state = head.state_dict()
    return {n: t for n, t in state.items() if n not in before or not torch.equal(t, before[n].to(t))}


def _before_fitting(head: VerbalizerHead) -> dict[str, Tensor]:
    """The buffers of a head as they are when it is made; there are none of sources."""
    shares = 1.0 / torch.bincount(head.owner)[head.owner]
    one = {"spreads": torch.ones_like(head.spreads), "shares": shares}
    zero = ("prior", "class_prior", "bias", "log_scale", "mass")
    return one | {name: torch.zeros_like(head.get_buffer(name)) for name in zero}


def _give_head(model: PromptModel, given: dict[str, Tensor]) -> None:
    head, device = model.head, model.backbone.device
    width = model.reader.rest_reads * model.backbone.lm.config.get_text_config().hidden_size
    for number, source in enumerate(head.abstract):
        learnt = _taken(given, f"sources.{number}.")
        if not source.restore({name: tensor.to(device) for name, tensor in learnt.items()}, width):
            refuse(f"what was learnt of the {number + 1}. kind of abstract label words does not fit")
    for name, tensor in _before_fitting(head).items():
        head.get_buffer(name).copy_(_like(given, name, tensor) if name in given else tensor)
    for name, parameter in head.named_parameters():
        parameter.copy_(_like(given, name, parameter))
    if given:
        refuse(f'"head.{min(given)[:100]}" is nothing that this verbalizer has')


# --- the language model -----------------------------------------------------------------------------------------------


def _language_model(model: PromptModel) -> dict[str, Tensor]:
    """The tensors of the private view that are not the caller's: what is trained, and all of PEFT's."""
    backbone = model.backbone
    trained: dict[str, Tensor] = {n: p for n, p in backbone.lm.named_parameters() if p.requires_grad}
    if not is_peft(backbone.tune):
        return trained
    state: dict[str, Tensor] = {**dict(backbone.lm.named_parameters()), **dict(backbone.lm.named_buffers())}
    names = backbone.lm.state_dict().keys() & state.keys()
    given = model.lm.model.state_dict().keys()
    return {n: state[n] for n in sorted(names) if n.replace(".base_layer.", ".") not in given} | trained


def _is_equal(given: Tensor, own: Tensor) -> bool:
    """Whether a tensor of the view is, after all, what the language model has."""
    return torch.equal(given.detach().to(own), own.detach())


# --- solved examples --------------------------------------------------------------------------------------------------


def _examples(store: DemoStore, labels: tuple[str, ...]) -> dict[str, Tensor]:
    """The ids of each example as it stands after another, then as it stands first, one after the other."""
    given = store.demonstrations
    made = {
        "rows": [d.row for d in given],
        "labels": [labels.index(d.label) for d in given],
        "cuts": [d.cut for d in given],
        "lengths": [len(ids) for d in given for ids in (d.ids, d.first)],
        "ids": [i for d in given for ids in (d.ids, d.first) for i in ids],
        "soft": [i for d in given for numbers in (d.soft, d.soft_first) for i in numbers],
    }
    found = {f"demos.{name}": torch.tensor(values, dtype=torch.int32) for name, values in made.items()}
    if store.states is not None:
        found["demos.states"] = torch.from_numpy(np.array(store.states, np.float32))
    return found


def _examples_of(model: PromptModel, given: dict[str, Tensor], seed: int) -> DemoStore:
    names = ("rows", "labels", "cuts", "lengths", "ids", "soft")
    states = given.pop("states", None)
    if set(given) != set(names) or any(t.ndim != 1 or t.is_floating_point() for t in given.values()):
        refuse("the solved examples are not as they are written")
    if model.program.demos is None:
        refuse("the template has no demos tag, and there are solved examples")
    rows, labels, cuts, lengths, ids, soft = (given[name].tolist() for name in names)
    several = [len(rows), len(labels), len(cuts), len(lengths) // 2]
    vectors, vocabulary = model.program.soft, len(model.backbone.input_embeddings())
    if (
        len(set(several)) > 1
        or sum(lengths) != len(ids)
        or len(ids) != len(soft)
        or len(lengths) % 2
        or not all(0 <= n < len(model.labels) for n in labels)
        or not all(n >= 0 for n in (*rows, *cuts, *lengths))
        or not all(0 <= i < vocabulary for i in ids)
        or not all(-1 <= v < vectors for v in soft)
        or (states is not None and (states.ndim != 2 or len(states) != len(rows)))
    ):
        refuse("the solved examples are not those of this model")
    ends = np.cumsum([0, *lengths]).tolist()
    parts = [(tuple(ids[a:b]), tuple(soft[a:b])) for a, b in pairwise(ends)]
    made = [
        Demonstration(row, model.labels[label], later[0], first[0], later[1], first[1], cut)
        for row, label, cut, later, first in zip(rows, labels, cuts, parts[::2], parts[1::2], strict=True)
    ]
    known = None if states is None else states.float().numpy()
    if known is not None and known.shape[1] != model.backbone.lm.config.get_text_config().hidden_size:
        refuse("the states of the solved examples are of another width")
    return DemoStore.of(model.program, made, seed=seed, states=known)
