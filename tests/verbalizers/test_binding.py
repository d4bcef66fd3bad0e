"""Label words → readings, soft words and abstract ones, on a vocabulary that can be read."""

from __future__ import annotations

import pytest
from toy_words import MASK, bound

from promptdsl.errors import VerbalizerError


def test_words_of_one_token_need_no_states_and_no_normaliser() -> None:
    found = bound("no: bad, dull; yes: good")
    assert (found.labels, found.token_ids, found.owners) == (("no", "yes"), (2, 3, 4), (0, 0, 1))
    assert found.fills == (((MASK,),),) and found.state_fill is None and not found.normalised
    assert str(found) == ("3 label words, 1 forward pass\n  no: bad [(2,)], dull [(3,)]\n  yes: good [(4,)]")


def test_a_soft_word_reads_the_pass_at_rest() -> None:
    found = bound('no: bad, <"soft":"dull">; yes: good')
    assert found.fills == (((MASK,),),) and found.state_fill == 0 and not found.normalised
    assert [(w.text, w.label, w.parts) for w in found.soft] == [("dull", 0, ((3,),))] and found.owners == (0, 1, 0)
    beside = bound('no: so bad, <"soft":"dull">; yes: so good')  # all in the pass of two masks; the soft one at one
    assert beside.fills == (((MASK, MASK),), ((MASK,),)) and beside.state_fill == 1 and beside.normalised
    causal = bound('no: bad, <"soft":"dull">; yes: so good', mask_id=None)
    assert causal.fills == (((7,),), ((),)) and causal.state_fill == 1 and causal.normalised
    alone = bound('no: <"soft":"bad">; yes: <"soft":"good">', mask_id=None)
    assert alone.fills == (((),),) and alone.state_fill == 0 and not alone.normalised and alone.token_ids == ()


def test_abstract_words_and_searched_ones_are_kept_for_later() -> None:
    found = bound('no: bad; yes: good\n<"cluster":2>\n<"auto":1>')
    assert [(a.kind, [t.value for t in a.tags]) for a in found.abstract] == [("cluster", [2, 2])]
    assert found.unresolved == ("auto",) and found.state_fill == 0
    assert str(found).splitlines()[1] == '  no: bad [(2,)], <"cluster":2>'


@pytest.mark.parametrize(
    ("text", "counts", "message"),
    [
        ("no: bad; yes: superb", [None],
         'PD452 the tokenizer cannot write "superb"\n --> verbalizer:1:15\n  |\n1 | no: bad; yes: superb\n'
         "  |               ^^^^^^\n  = help: choose another label word"),
        ("no: bad; yes: so good", [1],
         'PD453 "so good" has 2 tokens and its mask has 1\n --> verbalizer:1:15\n  |\n1 | no: bad; yes: so good\n'
         '  |               ^^^^^^^\n  = help: write <"mask":2>, or a plain <"mask">, which takes words of any length'),
        ("no: bad; yes: good + so", [None, None],
         'PD451 "bad" has 1 part and the template 2 masks\n --> verbalizer:1:5\n  |\n1 | no: bad; yes: good + so\n'
         "  |     ^^^\n  = help: give one part for each mask, joined by ` + `: word + word"),
        ('no: bad + so; yes: <"soft":"good">', [None, None],
         "PD457 a soft label word is read at one mask, and this template has several positions\n --> verbalizer:1:20\n"
         '  |\n1 | no: bad + so; yes: <"soft":"good">\n  |                    ^^^^^^^^^^^^^^^\n'
         "  = help: use words, or a template with one plain mask"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_shown_in_its_place(text: str, counts: list[int | None], message: str) -> None:
    with pytest.raises(VerbalizerError) as caught:
        bound(text, counts)
    assert str(caught.value) == message


def test_all_words_that_cannot_be_written_are_told_at_once_or_left_out() -> None:
    with pytest.raises(VerbalizerError) as caught:
        bound("no: bad, awful; yes: good, superb")
    assert [(d.code, d.line, d.column) for d in caught.value.diagnostics] == [("PD452", 1, 10), ("PD452", 1, 28)]
    found = bound("no: bad, awful; yes: good, superb", lenient=True)
    assert found.unwritable == (("no", "awful"), ("yes", "superb"))
    assert [w.text for w in found.words] == ["bad", "good"]
