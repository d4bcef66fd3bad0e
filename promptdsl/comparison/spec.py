"""What a study compares, as data alone: it can be written down, compared with another, and counted into cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from promptdsl.comparison.storing import digest
from promptdsl.comparison.values import Arm, Cell
from promptdsl.errors import fail, printable
from promptdsl.language.template import Template

__all__ = ["StudySpec"]

FORMAT = 1  # of the files of a study
# What must be the same for cells to count in one study, and what may grow.
FIXED = ("model", "data", "support", "dev", "random_state")
NAMED = ("templates", "verbalizers", "settings")


@dataclass(frozen=True, slots=True)
class StudySpec:
    """A study as data.

    Attributes:
        templates, verbalizers: name → text.
        baselines: names of arms without a template.
        settings: template or baseline → the settings that are tried, as JSON; one where nothing is chosen.
        model: the language model's name, and a checksum of its weights.
        data: "train", "test", "dev" → checksum of the rows and labels; "" where there is none.
        shots: labelled rows of each class, ascending.
        seeds: of the draws of rows, and of training.
        support: rows without labels given at each cell.
        dev: what settings are chosen on: "few-shot", or the number of given rows.
        random_state: the seed of the draw of test rows.
        baseline: the arm that others are tested against.
    """

    templates: Mapping[str, str]
    verbalizers: Mapping[str, str]
    baselines: tuple[str, ...]
    settings: Mapping[str, Sequence[Mapping[str, Any]]]
    model: Mapping[str, str]
    data: Mapping[str, str]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    support: int = 0
    dev: str = "few-shot"
    random_state: int = 0
    baseline: str = field(default="", compare=False)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every template with every verbalizer, then the baselines."""
        made = [Arm(f"{t}/{v}", t, v) for t in self.templates for v in self.verbalizers]
        return (*made, *(Arm(name) for name in self.baselines))

    def arm(self, name: str) -> Arm:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def columns(self) -> list[str]:
        """The columns that the templates' texts come from, in order: what baselines read."""
        tags = [tag for text in self.templates.values() for tag in Template(text).tags]
        return list(dict.fromkeys(str(tag.value) for tag in tags if tag.kind == "placeholder"))

    def seeds_of(self, shots: int) -> tuple[int | None, ...]:
        """The seeds of so many shots; only None where no rows are drawn."""
        return self.seeds if shots or self.support else (None,)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells. Few shots come first, and one seed before the next: what is cut short is still a study."""
        return tuple(
            Cell(arm.name, shots, seed) for shots in self.shots for seed in self.seeds_of(shots) for arm in self.arms
        )

    def key(self, cell: Cell) -> str:
        """A name for a cell's file, by everything that its result depends on."""
        arm = self.arm(cell.arm)
        texts: tuple[str, ...] = (self.templates.get(arm.template, ""), self.verbalizers.get(arm.verbalizer, ""))
        if arm.is_baseline:  # it reads the fields of all templates
            texts = (arm.name, *self.columns)
        settings = self.settings.get(arm.settings_name, [{}])
        fixed = {name: getattr(self, name) for name in FIXED}
        return digest([FORMAT, texts, settings, fixed, cell.shots, cell.seed])[:32]

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> StudySpec:
        """Back from `as_json`."""
        lists = {name: tuple(content[name]) for name in ("baselines", "shots", "seeds")}
        return cls(**{**{f.name: content[f.name] for f in fields(cls)}, **lists})

    def differences(self, other: StudySpec) -> list[str]:
        """Names of what differs from another study so that the cells of both cannot stand in one table."""
        found = []
        for name in FIXED:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Mapping):
                found += [f"{name} ({key})" for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
            elif mine != theirs:
                found.append(name)
        for name in NAMED:
            mine, theirs = getattr(self, name), getattr(other, name)
            found += [f'{name} "{key}"' for key in mine if key in theirs and digest(mine[key]) != digest(theirs[key])]
        return found

    def extended(self, other: StudySpec) -> StudySpec:
        """Both studies as one, in the order of this one; what others are tested against is the other's.

        Raises:
            TrainingError: PD742 where they differ in what must be the same.
        """
        found = self.differences(other)
        if found:
            fail("PD742", f"the folder holds a study with other {printable(', '.join(found), 240)}",
                 origin="folder",
                 help="give another folder; what is added needs names and shots of its own")  # fmt: skip
        named: dict[str, Any] = {name: {**getattr(self, name), **getattr(other, name)} for name in NAMED}
        return replace(
            self,
            **named,
            baselines=tuple(dict.fromkeys((*self.baselines, *other.baselines))),
            shots=tuple(sorted({*self.shots, *other.shots})),
            seeds=tuple(dict.fromkeys((*self.seeds, *other.seeds))),
            baseline=other.baseline or self.baseline,
        )

    def __str__(self) -> str:
        axes = (
            f"{len(self.templates)} templates × {len(self.verbalizers)} verbalizers + {len(self.baselines)} baselines"
        )
        shots = ", ".join(map(str, self.shots))
        return f"{axes}, at {shots} shots, {len(self.seeds)} seeds: {len(self.cells)} cells on {self.model['name']}"
