"""`python -m promptdsl.comparison.worker FOLDER`: one worker process of a study."""

from __future__ import annotations

import sys

from promptdsl.comparison.working import work

__all__: list[str] = []

if __name__ == "__main__":
    work(sys.argv[1])
