"""Run by `make wheel` with the wheel's own environment, away from the checkout: the README's example must work."""

from pathlib import Path

import promptdsl
from promptdsl import PromptClassifier

assert "site-packages" in str(Path(promptdsl.__file__)), promptdsl.__file__

classifier = PromptClassifier(
    template='<"placeholder":"text_a"> It was <"mask">.',
    verbalizer="negative: bad, terrible; positive: good, great",
    model="pocket-mlm",
)
print(classifier.predict(["a stirring, funny film", "a dull, lifeless mess"]))
