"""A small study file to start from: it runs on a sample that comes with the package."""

from __future__ import annotations

__all__ = ["EXAMPLE"]

EXAMPLE = """\
# promptdsl compare study.toml
#
# Every template with every verbalizer, and the baselines, on the same rows. Paths start at this file. Keys are those of
# promptdsl.compare(); train and test are .jsonl, .csv, .tsv, .json or .parquet files, or samples of the package.

model = "pocket-mlm"                  # or a folder, or a name of the hub
train = "sample:sentiment/train"      # train = "train.csv"
test = "sample:sentiment/test"
# label_column = "label"
# text_columns = ["text"]             # the column that templates call text_a; a second one is text_b

shots = [0, 4, 16]                    # labelled rows of each class; 0 is zero-shot
seeds = [13, 21, 42]                  # of the draws of rows
baselines = ["majority", "tfidf"]     # also "fine-tuning" and "setfit"
# baseline = "manual/words"           # the arm that others are tested against

[templates]
manual = '<"placeholder":"text_a"> It was <"mask">.'
soft = '<"placeholder":"text_a"> <"soft":4> <"mask">.'

[verbalizers]
words = "negative: bad; positive: good"
more = "negative: bad, terrible, awful, boring; positive: good, great, excellent, wonderful"

[settings.soft]                       # arguments of PromptClassifier; [settings] alone is for all templates
steps = 20

# [[choose.soft]]                     # settings to choose from, on few-shot rows beside those trained on
# prompt_learning_rate = 0.005
# [[choose.soft]]
# prompt_learning_rate = 0.05
"""
