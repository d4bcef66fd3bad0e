"""promptdsl: prompt-learning in two strings, a template and a verbalizer, around a frozen language model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptdsl.classifier import PromptClassifier
    from promptdsl.comparison import Study, compare
    from promptdsl.encoding import bind, encode
    from promptdsl.errors import Diagnostic, PromptDSLError
    from promptdsl.language.template import Template
    from promptdsl.language.verbalizer import Verbalizer
    from promptdsl.models.loading import LanguageModel, load
    from promptdsl.models.prompt_model import PromptModel
    from promptdsl.models.show import show
    from promptdsl.training.export import export_peft
    from promptdsl.training.settings import TrainingSettings
    from promptdsl.verbalizers.reliability import expected_calibration_error, reliability_bins

__version__ = "0.1.0"

# Public name → where it lives. Nothing below is imported before it is asked for: `import promptdsl` stays cheap and
# the language half never loads torch.
_HOMES = {
    "Diagnostic": "promptdsl.errors",
    "LanguageModel": "promptdsl.models.loading",
    "PromptClassifier": "promptdsl.classifier",
    "PromptDSLError": "promptdsl.errors",
    "PromptModel": "promptdsl.models.prompt_model",
    "Study": "promptdsl.comparison",
    "Template": "promptdsl.language.template",
    "TrainingSettings": "promptdsl.training.settings",
    "Verbalizer": "promptdsl.language.verbalizer",
    "bind": "promptdsl.encoding",
    "compare": "promptdsl.comparison",
    "encode": "promptdsl.encoding",
    "export_peft": "promptdsl.training.export",
    "expected_calibration_error": "promptdsl.verbalizers.reliability",
    "load": "promptdsl.models.loading",
    "reliability_bins": "promptdsl.verbalizers.reliability",
    "show": "promptdsl.models.show",
}

__all__ = [
    "Diagnostic",
    "LanguageModel",
    "PromptClassifier",
    "PromptDSLError",
    "PromptModel",
    "Study",
    "Template",
    "TrainingSettings",
    "Verbalizer",
    "bind",
    "compare",
    "encode",
    "expected_calibration_error",
    "export_peft",
    "load",
    "reliability_bins",
    "show",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
