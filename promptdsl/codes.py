"""Floor 0: every code that promptdsl reports, in one table: what it is, why it comes, what to do.

`promptdsl explain CODE` prints a row; a test holds the table against the codes that the package raises, and runs the
examples of the language codes (PD1 to PD4).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CODES", "Code"]


@dataclass(frozen=True, slots=True)
class Code:
    """One code. `wrong` is a text that gives it, `right` what was meant; both are "" where no short text can show it.

    The texts are templates, verbalizers for PD4 and PW2, OpenPrompt's strings for PD15x.
    """

    code: str
    title: str
    cause: str
    remedy: str
    wrong: str = ""
    right: str = ""


_SYNTAX = (
    Code(
        "PD101",
        "a tag is never closed",
        "A tag that < or { opened has no > or } of its own before the next tag or the end of the text.",
        "Close it. To mean the bracket itself before a quote, write \\< or \\{.",
        'It was <"mask".',
        'It was <"mask">.',
    ),
    Code(
        "PD102",
        "a string's quotes do not match",
        "A string has no closing quote on its line, closes with the other kind of quote, or holds a bare quote.",
        'Open and close with the same straight quote; inside write \\" for a quote and \\n for a line break.',
        '<"placeholder":"text_a> It was <"mask">.',
        '<"placeholder":"text_a"> It was <"mask">.',
    ),
    Code(
        "PD103",
        "a character that only looks like punctuation",
        "A typographic quote, a full-width character or an invisible blank stands inside a tag.",
        "Use the ASCII character. In text outside tags every character is fine.",
        '<"placeholder":“text_a”>',
        '<"placeholder":"text_a">',
    ),
    Code(
        "PD104",
        "a bracket closes nothing",
        "A tag closes with the partner of the bracket that opened it: < with >, { with }.",
        "Use the partner, or remove the bracket.",
        '{"mask">',
        '{"mask"}',
    ),
    Code(
        "PD105",
        "a key without quotes",
        "The keys of a tag are strings.",
        "Put the key in quotes.",
        '<"soft",same:true>',
        '<"soft":2,"same":true>',
    ),
    Code(
        "PD106",
        "a list is never closed",
        "A list that [ opened has no ] before its tag ends.",
        "Write the ].",
        '<"placeholder":"text_a","filters":["strip">',
        '<"placeholder":"text_a","filters":["strip"]>',
    ),
    Code(
        "PD107",
        "values do not nest",
        "A value is a text, a number, true, false, null, or a flat list of those; never a tag or a mapping.",
        "Write a plain value, or two tags one after the other.",
        '<"placeholder":{"name":"text_a"}>',
        '<"placeholder":"text_a">',
    ),
    Code(
        "PD108",
        "wrong punctuation in a tag",
        "Between a key and its value stands a colon, between pairs and between a list's values a comma.",
        "Write key:value pairs with commas between.",
        '<"placeholder"="text_a">',
        '<"placeholder":"text_a">',
    ),
    Code(
        "PD109",
        "not a value",
        "After a colon, or in a list, stands something that is no value; most often a text without quotes.",
        "Put texts in quotes; the constants are true, false and null.",
        '<"placeholder":text_a>',
        '<"placeholder":"text_a">',
    ),
    Code(
        "PD110",
        "code in a tag",
        "A lambda, a call or a sum stands in a tag. No code is ever read from a template.",
        "Use filters for what shall happen to a row's text; promptdsl migrate turns OpenPrompt's lambdas into filters.",
        '<"placeholder":"text_a","filters":[lambda x: x.strip()]>',
        '<"placeholder":"text_a","filters":["strip"]>',
    ),
    Code(
        "PD111",
        "not a number",
        "Numbers are written as in JSON, with at most 18 digits.",
        "Write 5, -1, 0.5 or 1e-3.",
        '<"mask":+3>',
        '<"mask":3>',
    ),
    Code(
        "PD112",
        "an unknown escape",
        "A backslash in a string begins one of JSON's escapes, or \\' .",
        "Write \\\\ for a backslash.",
        '<"text":"50\\%">',
        '<"text":"50\\\\%">',
    ),
    Code(
        "PD113",
        "half of a character",
        "The text holds a lone surrogate, which no tokenizer can read. It was decoded wrongly before it came here.",
        "Read the file as UTF-8.",
    ),
    Code(
        "PD120",
        "not a text",
        "A template is made from a str or a Template.",
        "Convert the value to a str first.",
    ),
    Code(
        "PD121",
        "too long",
        "A template has at most 64 KiB, a verbalizer 4 MiB.",
        "Let the rows carry the data; a template is a frame for it.",
    ),
    Code(
        "PD122",
        "too many tags",
        "A text has at most 1,024 tags, and some 100,000 words, keys and values.",
        "Split it, or let the rows carry the data.",
    ),
    Code(
        "PD123",
        "too many soft tokens or masks",
        "A template has at most 1,024 soft tokens in all places together, prefix included, and at most 1,024 masks.",
        "Make the tags shorter.",
        '<"soft":2000>',
        '<"soft":20>',
    ),
)

_IMPORT = (
    Code(
        "PD150",
        "a brace of OpenPrompt's string is never closed",
        "In OpenPrompt's strings a { lasts until its }.",
        "Write the }.",
        '{"mask"',
        '{"mask"}',
    ),
    Code(
        "PD151",
        "an OpenPrompt tag of another shape",
        'In OpenPrompt\'s strings every { begins a tag: {"key": value, "key"}.',
        "Correct the tag; only quoted keys, colons, commas and values stand in it.",
        "{mask}",
        '{"mask"}',
    ),
    Code(
        "PD152",
        "a text of OpenPrompt's string that cannot be read",
        "A quote without its partner, a prefix that means nothing here, or an escape that names no character.",
        "Correct the text.",
        '{"placeholder":"text_a}',
        '{"placeholder":"text_a"}',
    ),
    Code(
        "PD153",
        "not a value of an OpenPrompt tag",
        "Values are texts, numbers, True, False, None, and the lambdas that are known.",
        "Put a text in quotes.",
        '{"placeholder":text_a}',
        '{"placeholder":"text_a"}',
    ),
    Code(
        "PD154",
        "code that no filter stands for",
        "A lambda of an OpenPrompt string is not one of those that are recognised. No code is ever run.",
        "Say what it does with filters, or change the rows before they come here.",
        '{"placeholder":"text_a","post_processing":lambda x: __import__("os")}',
        '{"placeholder":"text_a","post_processing":lambda x: x.strip()}',
    ),
    Code(
        "PD155",
        "a part of an LM-BFF template that has no counterpart",
        "The part is none of those that LM-BFF documents, or it stands for something that a template cannot say.",
        "Write the template by hand.",
    ),
    Code(
        "PD156",
        "not an OpenPrompt verbalizer",
        "The file holds no label words in any of OpenPrompt's forms, or not for the classes that were named.",
        "Write the verbalizer by hand: label: word, word.",
    ),
)

_NAMES = (
    Code(
        "PD201",
        "an unknown tag",
        "No key of the tag names a kind of tag.",
        "Correct the spelling; to mean text that begins like a tag, write \\< or \\{.",
        '<"plceholder":"text_a">',
        '<"placeholder":"text_a">',
    ),
    Code(
        "PD202",
        "an unknown attribute",
        "This kind of tag does not have that attribute.",
        "Correct the spelling, or remove it; promptdsl explain KIND lists what there is.",
        '<"soft":5,"lenght":5>',
        '<"soft":5,"length":5>',
    ),
    Code(
        "PD203",
        "a value of the wrong type",
        'Nothing is converted silently: "3", 3.0 and true are not the integer 3.',
        "Write the value in the type that the message names.",
        '<"mask":"3">',
        '<"mask":3>',
    ),
    Code(
        "PD204",
        "a number out of range",
        "The number is below the least or above the greatest value that makes sense.",
        "Write a number in the range that the message names.",
        '<"mask":0>',
        '<"mask":1>',
    ),
    Code(
        "PD205",
        "not one of the values",
        "The attribute takes one of a few texts.",
        "Write one of them.",
        '<"placeholder":"text_a","truncate":"left">',
        '<"placeholder":"text_a","truncate":"head">',
    ),
    Code(
        "PD206",
        "a key twice",
        "One key stands twice in a tag; which of the two counts would be a guess.",
        "Keep one.",
        '<"mask","name":"a","name":"b">',
        '<"mask","name":"a">',
    ),
    Code(
        "PD207",
        "two kinds in one tag",
        "A tag has one kind.",
        "Write two tags.",
        '<"mask","soft":3>',
        '<"soft":3> <"mask">',
    ),
    Code(
        "PD208",
        "a tag without a kind",
        "The tag has attributes only.",
        "Write the kind too.",
        '<"length":5>',
        '<"soft","length":5>',
    ),
    Code(
        "PD209",
        "an unknown filter",
        "Filters are a closed list.",
        "Use one of the list; promptdsl explain FILTER says what it does.",
        '<"placeholder":"text_a","filters":["stirp"]>',
        '<"placeholder":"text_a","filters":["strip"]>',
    ),
    Code(
        "PD210",
        "a filter's text is missing, or one too many",
        "Some filters take a text after a colon, some do not.",
        "Write it, or leave it out.",
        '<"placeholder":"text_a","filters":["append"]>',
        '<"placeholder":"text_a","filters":["append:."]>',
    ),
    Code(
        "PD211",
        "an empty text",
        "A column, a name or the words of a soft prompt cannot be empty.",
        "Write it.",
        '<"placeholder":"">',
        '<"placeholder":"text_a">',
    ),
)

_MEANING = (
    Code(
        "PD301",
        "an empty template",
        "There is nothing in the template.",
        "Write text and tags.",
        "",
        '<"placeholder":"text_a"> It was <"mask">.',
    ),
    Code(
        "PD302",
        "a prefix that is not first",
        "The keys and values of a prefix stand before everything else in every layer.",
        "Move it to the beginning of the template; not even a blank stands before it.",
        '<"placeholder":"text_a"><"prefix":20><"mask">',
        '<"prefix":20><"placeholder":"text_a"><"mask">',
    ),
    Code(
        "PD303",
        "a second prefix",
        "A template has one prefix.",
        "Write one prefix with the sum of both lengths.",
        '<"prefix":20><"prefix":5><"mask">',
        '<"prefix":25><"mask">',
    ),
    Code(
        "PD304",
        "a soft_id defined twice",
        "The first place with a soft_id says what its vectors are; later places share them and only name it.",
        "Leave value and attributes out in the later place, or use another soft_id.",
        '<"soft":5,"soft_id":1> and <"soft":5,"soft_id":1>',
        '<"soft":5,"soft_id":1> and <"soft","soft_id":1>',
    ),
    Code(
        "PD305",
        "init beside words",
        "Words already say how the vectors start.",
        "Remove one of the two.",
        '<"soft":"It was","init":"vocab">',
        '<"soft":"It was">',
    ),
    Code(
        "PD306",
        "duplicate beside a value or a length",
        "duplicate is OpenPrompt's name for the length of a soft tag without a value.",
        "Write length, or the number as the value.",
        '<"soft":5,"duplicate":5>',
        '<"soft","duplicate":5>',
    ),
    Code(
        "PD307",
        "two lengths that differ",
        "The value of a soft tag and its length both say how many vectors it has.",
        "Keep one.",
        '<"soft":5,"length":6>',
        '<"soft":6>',
    ),
    Code(
        "PD308",
        "same needs several soft tokens",
        "same makes n vectors one; with one vector, or with words, there is nothing to be the same as.",
        "Say how many, or remove it.",
        '<"soft","same":true>',
        '<"soft":5,"same":true>',
    ),
    Code(
        "PD309",
        "the mask as a special token",
        "Where label words are read is said by a mask tag, never by a token.",
        'Write <"mask">.',
        'It was <"special":"[MASK]">.',
        'It was <"mask">.',
    ),
    Code(
        "PD310",
        "two masks of one name",
        "A mask's name tells it from the other masks.",
        "Give each its own.",
        '<"mask","name":"a"> <"mask","name":"a">',
        '<"mask","name":"a"> <"mask","name":"b">',
    ),
    Code(
        "PD351",
        "a field or soft token after the last mask of a causal LM",
        "A causal LM reads from left to right: what stands after the last mask is never seen.",
        "Move it before the mask, or use a masked LM.",
    ),
    Code(
        "PD352",
        "nothing before the mask of a causal LM",
        "A causal LM reads a mask at the position before it.",
        "Begin the template with text, a field or a special token.",
    ),
    Code(
        "PD353",
        "a special tag that is this tokenizer's mask",
        "The text of the special tag is the tokenizer's mask token.",
        'Write <"mask">.',
    ),
    Code(
        "PD354",
        "words that do not fit their length",
        "The words of a soft tag have more tokens than its length says.",
        "Write a longer length, or fewer words.",
    ),
    Code(
        "PD355",
        "no mask",
        "Label words are read at a mask, and the template has none.",
        'Add <"mask"> where the answer stands.',
    ),
    Code(
        "PD356",
        "demos after the last mask of a causal LM",
        "A causal LM reads from left to right: examples after the last mask are never seen.",
        "Move the demos before the mask, or use a masked LM.",
    ),
)

_VERBALIZER = (
    Code(
        "PD401",
        "no colon after a label",
        "A line of a verbalizer is a label, a colon, and words with commas between.",
        "Write label: word, word. A label with a comma stands in double quotes.",
        "negative = bad, terrible",
        "negative: bad, terrible",
    ),
    Code(
        "PD402",
        "a label twice",
        "Two lines have the same label.",
        "Put all words of a class on one line.",
        "negative: bad\nnegative: terrible",
        "negative: bad, terrible",
    ),
    Code(
        "PD403",
        "a class without label words",
        "Nothing stands after the colon.",
        "Write at least one word.",
        "negative:\npositive: good",
        "negative: bad\npositive: good",
    ),
    Code(
        "PD404",
        "an empty item",
        "Nothing stands between two commas, before the first or after the last, or between two quotes.",
        "Remove the comma, or write the word.",
        "negative: bad,, terrible",
        "negative: bad, terrible",
    ),
    Code(
        "PD405",
        "a quote is never closed",
        "A double quote opens a label or word and has no partner on its line.",
        'Write the closing quote; inside quotes write \\" for a quote.',
        'negative: "bad, terrible',
        'negative: "bad", terrible',
    ),
    Code(
        "PD406",
        "no comma between two items",
        "A quoted word and a tag are items of their own, with commas around them.",
        "Write the comma.",
        'negative: "bad" terrible',
        'negative: "bad", terrible',
    ),
    Code(
        "PD407",
        "a quote inside a bare word",
        "A double quote opens only where a label or an item begins.",
        'Put quotes around the whole word, and write \\" for the quotes inside.',
        'negative: the "worst" film',
        'negative: "the \\"worst\\" film"',
    ),
    Code(
        "PD408",
        "an empty label",
        "Nothing stands before the colon, or between the label's quotes.",
        "Give the class a name.",
        ": bad, terrible",
        "negative: bad, terrible",
    ),
    Code(
        "PD409",
        "a step among label words",
        "A tag that speaks of the whole verbalizer stands in the line of one class.",
        "Put it on a line of its own.",
    ),
    Code(
        "PD410",
        "a verbalizer in JSON that is not JSON",
        "A verbalizer that begins with { is JSON.",
        'Write {"label": ["word", "word"]}, or lines: label: word, word.',
        '{negative: ["bad"]}',
        '{"negative": ["bad"]}',
    ),
    Code(
        "PD411",
        "a mapping of another shape",
        "JSON, YAML and Python mappings have labels and lists of words; a text is never split.",
        'Write {"label": ["word", "word"]}.',
        '{"negative": "bad, terrible"}',
        '{"negative": ["bad", "terrible"]}',
    ),
    Code(
        "PD412",
        "a tag with the wrong brackets or quotes",
        'In a verbalizer a tag is written <"…"> only.',
        "Write it so, or put double quotes around the word.",
        "negative: <'bad'>",
        "negative: \"<'bad'>\"",
    ),
    Code(
        "PD413",
        "a verbalizer without classes",
        "No line has a label.",
        "Write one class per line: label: word, word.",
        "{}",
        '{"negative": ["bad"]}',
    ),
    Code(
        "PD414",
        "a verbalizer in YAML that is not YAML",
        "A file that ends in .yaml or .yml is YAML.",
        "Correct it at the place of the message.",
    ),
    Code(
        "PD451",
        "a label word with too many or too few parts",
        "With several masks a label word has one part for each, joined by ` + `.",
        "Give each mask its part.",
    ),
    Code(
        "PD452",
        "a label word that the tokenizer cannot write",
        "The tokenizer knows no tokens for it but the unknown one.",
        "Choose another word.",
    ),
    Code(
        "PD453",
        "a label word of another length than its mask",
        'A mask of n positions, <"mask":n>, takes parts of n tokens.',
        'Correct n, or write a plain <"mask">, which takes words of any length.',
    ),
    Code(
        "PD460",
        "scores or states that are no numbers",
        "The language model gave NaN or infinity, as some do in half precision; or there was no row to read.",
        "Load the model in float32, or give a row.",
    ),
)

_MODEL = (
    Code(
        "PD501",
        "not a fast tokenizer",
        "Encoding needs the fast tokenizer of the model.",
        "Load it with AutoTokenizer.from_pretrained.",
    ),
    Code(
        "PD502",
        "a tokenizer without a mask token",
        "A masked LM reads label words at its mask token, and this tokenizer has none.",
        "Use a masked LM, or a causal one.",
    ),
    Code(
        "PD503",
        "a special token that the tokenizer does not have",
        "A special tag names a token that this tokenizer does not know.",
        "Use another, or leave the tag out.",
    ),
    Code(
        "PD504",
        "a template that cannot fit",
        "Fixed text, soft tokens, prefix, masks and specials take more positions than max_length.",
        "Shorten them, or raise max_length.",
    ),
    Code("PD505", "a count that is none", "An option takes a whole number ≥ 1.", "Give one."),
    Code(
        "PD506",
        "max_length beyond the model",
        "The language model has fewer positions than max_length.",
        "Use the number that the message names, or less.",
    ),
    Code(
        "PD511",
        "not a language model",
        "The value is neither a name, nor a folder, nor a model with its tokenizer.",
        "Give one of these.",
    ),
    Code(
        "PD512",
        "a language model that cannot be loaded",
        "The name is no folder and no embedded model, and it is not in the cache; or there is no network.",
        "Check the name, or give a folder; the note says what the loader said.",
    ),
    Code(
        "PD513",
        "neither a masked nor a causal LM",
        "Label words are read from a masked or a causal LM.",
        "Load the model with AutoModelForMaskedLM or AutoModelForCausalLM.",
    ),
    Code(
        "PD514",
        "an unknown dtype or device",
        "The number type is none of those that are known, or torch has no such device here.",
        "Use one that is there.",
    ),
    Code(
        "PD515",
        "a model without a language-modelling head",
        "Label words are rows of the LM head, and this model was loaded without.",
        "Load it with its head.",
    ),
    Code(
        "PD516", "an unknown way to tune", "tune says what may learn.", "Use one of the values that the message names."
    ),
    Code(
        "PD517",
        "training of soft tokens and prefixes",
        "This version encodes and shows soft tokens and prefixes, and does not train them.",
        "Use fixed text in their place.",
    ),
    Code(
        "PD518",
        "weights that are not complete",
        "The files lack tensors of the model, and made-up ones would give made-up answers.",
        "Use a model that was saved with its language-modelling head.",
    ),
    Code("PD519", "a model is needed", "Rows and label words become tokens only with a model.", "Name a model."),
    Code(
        "PD520",
        "a class without a word for its examples",
        "A solved example shows its class's first label word that is written in tokens, and the class has none.",
        "Give the class a word, or leave the demos tag out.",
    ),
)

_ROWS = (
    Code(
        "PD601",
        "rows of a kind that cannot be read",
        "Rows are a list, a DataFrame or a Dataset; a single text or mapping is one row.",
        "Put a single row in a list.",
    ),
    Code("PD602", "a column twice", "The table has two columns of one name.", "Rename one."),
    Code(
        "PD603",
        "a row unlike the others",
        "All rows have the shape of the first: texts, pairs or mappings.",
        "Correct the row that the message names.",
    ),
    Code(
        "PD604",
        "a missing column or value",
        "The template names a column that the rows, or this row, do not have.",
        'Correct the name, or write "missing":"empty" in the tag.',
    ),
    Code(
        "PD605",
        "a value that is not text",
        "Numbers and booleans become text; lists and mappings need a filter that makes them text.",
        'Use a filter such as "join:, ", or convert the column.',
    ),
    Code(
        "PD606",
        "a filter that cannot take this value",
        "The filter is for another type of value.",
        "Use another filter, or correct the row.",
    ),
    Code(
        "PD607",
        "half of a character in a row",
        "The text holds a lone surrogate: it was decoded wrongly.",
        "Read the data as UTF-8.",
    ),
    Code(
        "PD608",
        "a row too long where nothing may be cut",
        "The columns of this row that are not shortenable do not fit.",
        'Write "shortenable":true in a tag, or raise max_length.',
    ),
    Code(
        "PD609",
        "a row that leaves nothing before the mask",
        "A causal LM reads a mask at the position before it, and in this row nothing stands there.",
        "Give the row some text, or begin the template with fixed text.",
    ),
)

_TRAINING = (
    Code(
        "PD701", "labels that do not fit the rows", "Each row has one label of the verbalizer.", "Correct the labels."
    ),
    Code("PD702", "too few shots", "A few-shot split has at least one row per class.", "Ask for one or more."),
    Code(
        "PD703",
        "a loss that is not a number",
        "Training diverged.",
        "Lower the learning rate, or train in float32.",
    ),
    Code("PD704", "nothing to train", "No parameter of the model may learn.", "Say what may learn with tune."),
    Code("PD705", "a setting that training cannot use", "A number is out of its range.", "Give one in the range."),
    Code(
        "PD710",
        "demonstrations before fit",
        "The template has a demos tag, and solved examples are made from the rows given to fit.",
        "Call fit first, or leave the tag out.",
    ),
    Code("PD711", "no rows for demonstrations", "Solved examples need at least one fitted row.", "Give labelled rows."),
    Code(
        "PD712",
        "nearest examples without states",
        "The nearest rows are found by the states at their masks, and those of the fitted rows or the queries are missing.",
        'Give the states, or write "select":"class".',
    ),
    Code(
        "PD707",
        "a class without labelled rows",
        "Prototypes, and label words that are searched for, are learnt from rows of every class.",
        "Give at least one row of each class.",
    ),
)

_FILES = (
    Code("PD801", "no such file", "The path leads to no file.", "Check the path."),
    Code("PD802", "a file that is not UTF-8", "The bytes are not UTF-8 text.", "Save the file as UTF-8."),
    Code("PD803", "a file that cannot be read", "The system refused.", "Check the path and its permissions."),
    Code("PD804", "a file that cannot be written", "The system refused.", "Check the path and its permissions."),
    Code("PD805", "data that fmt does not rewrite", "The file is JSON or YAML.", "Write it to a .verbalizer file."),
    Code(
        "PD806",
        "a line without a template",
        "A .jsonl file to migrate holds one object a line, each with a template.",
        'Write {"template": "…"} in each line.',
    ),
    Code("PD807", "YAML without PyYAML", "Reading YAML takes the package PyYAML.", 'pip install "promptdsl[yaml]"'),
    Code("PD810", "an unknown format of data", "The suffix says no format that is known.", "Use a suffix that is."),
    Code("PD811", "data that is not JSON", "A line, or the file, is not JSON.", "Correct the place of the message."),
    Code("PD812", "data that is not CSV", "A line does not have the header's fields.", "Correct the line."),
    Code("PD813", "JSON that is not rows", "A row is an object or a text.", "Write a list of objects, or one a line."),
    Code("PD814", "a column that is not there", "No, or more than one, column of that name.", "Name one that is."),
    Code("PD815", "Parquet without pyarrow", "Reading it takes pyarrow.", 'pip install "promptdsl[datasets]"'),
    Code("PD816", "a file that is not Parquet", "pyarrow cannot read it.", "Write the file again."),
    Code("PD817", "predictions that cannot be written", "The system refused.", "Check the folder."),
    Code("PD818", "a label that does not fit", "A row has no label, or one without a class.", "Correct the row."),
    Code("PD819", "no rows", "There is nothing to fit or to evaluate on.", "Give labelled rows."),
)

_LINT = (
    # PW1xx: findings on templates
    Code(
        "PW101",
        "no mask",
        "Label words are read at a mask. Without one a template is only text, and a classifier refuses it.",
        'Write <"mask"> where the label word would stand.',
        '<"placeholder":"text_a"> It was great.',
        '<"placeholder":"text_a"> It was <"mask">.',
    ),
    Code(
        "PW102",
        "a blank is missing beside the mask",
        "Without the blank the label word is glued to its neighbour: the model is asked for the second half of a word.",
        "Write the blank, as one would in the sentence itself.",
        '<"placeholder":"text_a"> It was<"mask">.',
        '<"placeholder":"text_a"> It was <"mask">.',
    ),
    Code(
        "PW103",
        "several blanks beside the mask",
        "One blank belongs to the word at the mask; every further one is a token that the model rarely saw there.",
        "Leave one blank.",
        '<"placeholder":"text_a"> It was  <"mask">.',
        '<"placeholder":"text_a"> It was <"mask">.',
    ),
    Code(
        "PW104",
        "text that only looks like a tag",
        "Tags begin with a bracket and a quote. Everything else is text, and the model reads it letter by letter.",
        "Write the tag; or leave it, if the text is meant.",
        '<"placeholder":"text_a"> [SEP] It was <"mask">.',
        '<"placeholder":"text_a"> <"special":"sep"> It was <"mask">.',
    ),
    Code(
        "PW105",
        "text after the last mask on a causal model",
        "A causal model predicts the mask from what stands before it; what follows the last mask is dropped.",
        "Write it before the mask, or leave it out.",
        '<"placeholder":"text_a"> It was <"mask">, I think.',
        '<"placeholder":"text_a"> I think it was <"mask">',
    ),
    Code(
        "PW106",
        "a field or soft token after the last mask on a causal model",
        "A causal model cannot see it when it predicts the mask; using the template with such a model is an error.",
        "Write it before the mask.",
        'It was <"mask"> <"placeholder":"text_a">',
        '<"placeholder":"text_a"> It was <"mask">',
    ),
    Code(
        "PW107",
        "a column used twice",
        "The row's text is read twice and takes twice the room; often the second place was meant for another column.",
        "Name the other column, or leave it if it is meant.",
        '<"placeholder":"text_a"> <"placeholder":"text_a"> <"mask">',
        '<"placeholder":"text_a"> <"placeholder":"text_b"> <"mask">',
    ),
    Code(
        "PW108",
        "an invisible character",
        "Zero-width and direction characters come along when text is copied. They become tokens that nobody sees.",
        "Delete the character.",
        '<"placeholder":"text_a"> It\u200b was <"mask">.',
        '<"placeholder":"text_a"> It was <"mask">.',
    ),
    # PW2xx: findings on verbalizers
    Code(
        "PW201",
        "a label word of several tokens",
        "The tokenizer splits the word. It is scored with all its tokens at as many masks: slower, less comparable.",
        "Use a word that is one token; or keep it.",
        "positive: unputdownable",
        "positive: gripping",
    ),
    Code(
        "PW202",
        "a label word in two classes",
        "The word gives both classes the same score and so tells nothing about which it is.",
        "Keep it in one class.",
        "negative: bad, fine\npositive: good, fine",
        "negative: bad\npositive: good, fine",
    ),
    Code(
        "PW203",
        "a label word twice in a class",
        "The word counts twice when the class's words are pooled.",
        "Delete one.",
        "positive: good, great, good",
        "positive: good, great",
    ),
    Code(
        "PW204",
        "labels that differ only in case",
        "Labels are compared by their exact text, so these are two classes.",
        "If they are one class, write it once.",
        "Sports: game\nsports: ball",
        "sports: game, ball",
    ),
    Code(
        "PW205",
        "quotes that are part of the word",
        "Only double quotes quote. Other ones belong to the word, which the model hardly ever saw that way.",
        "Leave them out, or use double quotes.",
        "positive: 'good'",
        "positive: good",
    ),
)

CODES: dict[str, Code] = {
    row.code: row
    for table in (_SYNTAX, _IMPORT, _NAMES, _MEANING, _VERBALIZER, _MODEL, _ROWS, _TRAINING, _FILES, _LINT)
    for row in table
}
