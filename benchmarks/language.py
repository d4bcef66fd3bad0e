"""How long the parsers take for large and hostile texts, size limit lifted: time must grow with the length only.

    python benchmarks/language.py

prints the processor time of the slowest units in both languages at a quarter of a megabyte and at one, and how the two
compare. A ratio of 4 is linear; texts that are given up early, after the most tags, tokens or errors, have less.
"""

from __future__ import annotations

import time

from promptdsl import PromptDSLError, Template, Verbalizer

BEGINS = ["", '<"mask":', '<"text":"', '<"text":[', '<"mask"', "a: ", '{"a":[', "{"]
UNITS = [
    *("<", '<"', "\\", '"', "'", "{", '{"', "[", "]", "}", ">", ",", ":", ";", "\n", " ", "é", "\u3000"),
    *('<"mask">', '{"mask"}', '<"mask",', '<"a":[', "\\<", '<"\\', "<'\\", "< ", '"a",', '"a\n', '<"a"\n'),
    *("a: b\n", "a:b;", "a,", 'a: "b",', '"a": ', '{"a":["b"],', 'a: <"k">,', ": a", 'a"b', '"a"b ', '"a": ["b"], '),
]
SIZES = (250_000, 1_000_000)


def seconds(language: type[Template] | type[Verbalizer], text: str) -> tuple[float, str]:
    """Processor time of reading `text` and of rendering the error, and what came of it."""
    start = time.process_time()
    try:
        language(text, limit=None)
        outcome = "read"
    except PromptDSLError as error:
        outcome = error.code
        str(error)
    return time.process_time() - start, outcome


def main(shown: int = 15) -> None:
    """Print the table, slowest first."""
    rows = []
    for language in (Template, Verbalizer):
        language("a: b")  # build the grammar
        for begin in BEGINS:
            for unit in UNITS:
                times = []
                for size in SIZES:
                    taken, outcome = seconds(language, begin + unit * (size // len(unit)))
                    times.append(taken)
                rows.append((times[1], times[0], language.__name__, begin, unit, outcome))
    rows.sort(reverse=True)
    print(f"{'language':12} {'begins':12} {'then':16} {'250 kB':>8} {'1 MB':>8} {'ratio':>6}  outcome")
    for large, small, name, begin, unit, outcome in rows[:shown]:
        ratio = large / max(small, 1e-4)
        print(f"{name:12} {begin!r:12} {unit!r:16} {small:7.3f}s {large:7.3f}s {ratio:6.1f}  {outcome}")
    print(f"{len(rows)} texts; slowest {rows[0][0]:.3f} s")


if __name__ == "__main__":
    main()
