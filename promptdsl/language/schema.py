"""The one table of tag kinds and attributes. Checks, suggestions, documentation and completion read it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from promptdsl.language.kinds import LONGEST, AttributeSpec, KindSpec, Scalar, Type, Value

__all__ = [
    "ITEM_KINDS",
    "LONGEST",
    "RELATIONS",
    "RELATIONS_TAKEN",
    "STEP_KINDS",
    "TEMPLATE_KINDS",
    "AttributeSpec",
    "KindSpec",
    "Scalar",
    "Type",
    "Value",
]

_NULL_OR_COUNT = Type(("null", "integer"), least=1, most=LONGEST)
_COUNT = Type(("integer",), least=1, most=LONGEST)
_FLAG = Type(("boolean",))
_TEXT = Type(("text",))
_INIT = Type(("text",), choices=("vocab", "normal", "labels", "text:", "file:"))
_ENCODER = Type(("null", "text"), choices=("mlp", "lstm"))
_FILTERS = AttributeSpec(Type(("texts",), filters=True), (), "filters that turn the value into text, applied in order")
_MISSING = AttributeSpec(Type(("text",), choices=("error", "empty")), "error", "what a row without this column is")


def _field(shortenable: bool) -> Mapping[str, AttributeSpec]:
    return MappingProxyType(
        {
            "shortenable": AttributeSpec(_FLAG, shortenable, "may be cut when the input is too long"),
            "truncate": AttributeSpec(
                Type(("text",), choices=("tail", "head", "middle")),
                "tail",
                "which part is cut: its tail, head or middle",
            ),
            "filters": _FILTERS,
            "missing": _MISSING,
        }
    )


_TEMPLATE = (
    KindSpec("placeholder", _TEXT, "the row's text: a column", '<"placeholder":"text_a">', _field(True)),
    KindSpec("meta", _TEXT, "the row's side information: a column", '<"meta":"title">', _field(False)),
    KindSpec(
        "mask",
        _NULL_OR_COUNT,
        "where label words are read: one position, or n",
        '<"mask">',
        MappingProxyType({"name": AttributeSpec(_TEXT, None, "a name for this mask")}),
    ),
    KindSpec(
        "soft",
        Type(("null", "integer", "text"), least=1, most=LONGEST),
        "trainable input vectors: one, n, or one for each token of the words they start from",
        '<"soft":20>',
        MappingProxyType(
            {
                "length": AttributeSpec(_COUNT, None, "number of vectors; beside words, the rest is sampled"),
                "soft_id": AttributeSpec(
                    Type(("integer",), least=1), None, "places with the same id share their vectors"
                ),
                "same": AttributeSpec(_FLAG, False, "the vectors are one vector repeated"),
                "duplicate": AttributeSpec(_COUNT, None, "OpenPrompt's name for length on a null value"),
                "init": AttributeSpec(_INIT, "vocab", "how the vectors start"),
                "encoder": AttributeSpec(_ENCODER, None, "one network that all tags with this encoder go through"),
            }
        ),
    ),
    KindSpec(
        "prefix",
        _COUNT,
        "trainable keys and values in every layer; stands first in the template",
        '<"prefix":20>',
        MappingProxyType(
            {
                "encoder": AttributeSpec(
                    Type(("null", "text"), choices=("mlp",)), None, "the network that makes the keys and values"
                ),
                "hidden": AttributeSpec(Type(("integer",), least=1, most=65536), 512, "width of that network"),
                "dropout": AttributeSpec(
                    Type(("number",), least=0, most=0.99), 0.0, "dropout on the prefix in training"
                ),
                "init": AttributeSpec(_INIT, "vocab", "the words whose keys and values it starts from"),
            }
        ),
    ),
    KindSpec(
        "special",
        _TEXT,
        'one special token of the tokenizer: "cls", "sep", "eos", "bos", or the token\'s own text; never the mask',
        '<"special":"sep">',
    ),
    KindSpec(
        "demos",
        _COUNT,
        "solved examples from the fitted rows: this template, with a label word at the mask",
        '<"demos":4>',
        MappingProxyType(
            {
                "select": AttributeSpec(
                    Type(("text",), choices=("class", "nearest")),
                    "class",
                    "drawn evenly from the classes, or the rows whose mask states are nearest",
                ),
                "separator": AttributeSpec(Type(("text",), filled=False), "\n", "the text after each example"),
                "draws": AttributeSpec(
                    Type(("integer",), least=1, most=100), 1, "how many draws are averaged in prediction"
                ),
            }
        ),
    ),
    KindSpec(
        "text",
        Type(("text",), filled=False),
        "fixed text, with JSON escapes",
        '<"text":"\\n">',
        MappingProxyType({"shortenable": AttributeSpec(_FLAG, False, "may be cut when the input is too long")}),
    ),
)

RELATIONS = (
    "synonym",
    "similar",
    "also",
    "hyponym",
    "hypernym",
    "instance",
    "part",
    "derivation",
    "attribute",
    "antonym",
    "topic",
)

RELATIONS_TAKEN = ("synonym", "similar", "hyponym", "derivation")  # where nothing else is written

_WHOLE = Type(("integer",), least=1, most=10_000)
_LIMIT = AttributeSpec(_WHOLE, 50, "the most words that it gives")

_ITEMS = (
    KindSpec(
        "wordnet",
        _TEXT,
        "WordNet relatives of a word: label words made from knowledge",
        '<"wordnet":"good">',
        MappingProxyType(
            {
                "depth": AttributeSpec(Type(("integer",), least=1, most=5), 1, "how many relations a word may be away"),
                "relations": AttributeSpec(
                    Type(("texts",), choices=RELATIONS),
                    RELATIONS_TAKEN,
                    "which relations",
                ),
                "pos": AttributeSpec(
                    Type(("null", "text"), choices=("n", "v", "a", "r")), None, "noun, verb, adjective or adverb; any"
                ),
                "senses": AttributeSpec(_WHOLE, 3, "how many of the word's senses, the commonest first"),
                "limit": _LIMIT,
                "lang": AttributeSpec(_TEXT, "eng", "the language of the words, as Open Multilingual Wordnet names it"),
            }
        ),
        gives="words",
    ),
    KindSpec(
        "words",
        _TEXT,
        "label words from a TSV or JSON file: seed, word and, if there is one, a score",
        '<"words":"related.tsv","of":"sports">',
        MappingProxyType(
            {"of": AttributeSpec(_TEXT, None, "the seed whose words are taken; by default the label"), "limit": _LIMIT}
        ),
        gives="words",
    ),
    KindSpec(
        "neighbors",
        _TEXT,
        "the tightest groups of the language model's own tokens around seed words (separated by blanks)",
        '<"neighbors":"good great","groups":2>',
        MappingProxyType(
            {
                "groups": AttributeSpec(_WHOLE, 2, "how many groups of tokens"),
                "limit": AttributeSpec(_WHOLE, 20, "the most words that it gives"),
            }
        ),
        gives="words",
    ),
    KindSpec(
        "auto",
        _WHOLE,
        "label words found from labelled rows: n for each class",
        '<"auto":5>',
        MappingProxyType(
            {
                "method": AttributeSpec(
                    Type(("text",), choices=("llr", "ce", "likelihood")),
                    "likelihood",
                    "PETAL's likelihood ratio, its cross-entropy form, or LM-BFF's search",
                ),
                "candidates": AttributeSpec(
                    Type(("integer",), least=1), 1000, "tokens that are looked at, for each class"
                ),
            }
        ),
        gives="words",
    ),
    KindSpec("soft", _TEXT, "a trainable row of the LM head that starts at a word's", '<"soft":"good">', gives="word"),
    KindSpec(
        "cluster",
        _WHOLE,
        "abstract label words: n prototypes, clustered from the mask states of labelled rows",
        '<"cluster":3>',
        MappingProxyType(
            {
                "score": AttributeSpec(
                    Type(("text",), choices=("nearest", "mean")),
                    "nearest",
                    "similarity to the nearest prototype, or to all",
                ),
            }
        ),
        gives="vectors",
    ),
    KindSpec(
        "prototype",
        Type(("integer",), least=1, most=4096),
        "one prototype in a learnt space of n dimensions (ProtoVerb)",
        '<"prototype":64>',
        MappingProxyType(
            {
                "epochs": AttributeSpec(Type(("integer",), least=1), 30, "passes over the labelled rows"),
                "learning_rate": AttributeSpec(Type(("number",), least=0), 0.01, "of Adam"),
            }
        ),
        gives="vectors",
    ),
    KindSpec(
        "meta",
        _TEXT,
        "a label word taken from the row: a column",
        '<"meta":"choice1">',
        MappingProxyType({"filters": _FILTERS, "missing": _MISSING}),
        gives="word",
    ),
)

_STEPS = (
    KindSpec(
        "refine",
        Type(("texts",), choices=("writable", "single", "duplicates", "frequency", "relevance", "agreement")),
        "which label words are kept, step after step",
        '<"refine":["duplicates","frequency","relevance"]>',
        MappingProxyType(
            {
                "fraction": AttributeSpec(
                    Type(("number",), least=0, most=0.99),
                    0.5,
                    "share of the vocabulary that is too rare, for frequency",
                ),
                "keep": AttributeSpec(_WHOLE, 1, "words that a class keeps at least"),
            }
        ),
    ),
    KindSpec(
        "calibrate",
        Type(("text",), choices=("contextual", "pmi", "support", "batch")),
        "what is subtracted from the scores: what content-free inputs or given rows say anyway",
        '<"calibrate":"contextual">',
    ),
    KindSpec(
        "pool",
        Type(("text",), choices=("mean", "max", "sum", "learned", "weighted")),
        "how the scores of a class's words become one",
        '<"pool":"mean">',
    ),
    KindSpec(
        "tokens",
        Type(("text",), choices=("joint", "sequential", "first", "mean", "max")),
        "how a word of several tokens is scored",
        '<"tokens":"joint">',
    ),
)

TEMPLATE_KINDS: Mapping[str, KindSpec] = MappingProxyType({k.name: k for k in _TEMPLATE})
ITEM_KINDS: Mapping[str, KindSpec] = MappingProxyType({k.name: k for k in _ITEMS})
STEP_KINDS: Mapping[str, KindSpec] = MappingProxyType({k.name: k for k in _STEPS})
