"""`promptdsl compare`: a study file with the tiny model, its folder, going on, and everything wrong said at once."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_models import TEXTS, by_hand, save_bert

from promptdsl import Study
from promptdsl.cli import compare, study_file
from promptdsl.cli.study_example import EXAMPLE
from promptdsl.cli.study_file import read_study
from promptdsl.comparison import publishing
from promptdsl.comparison.running import Job
from promptdsl.errors import PromptDSLError
from promptdsl.training.settings import TrainingSettings

if TYPE_CHECKING:
    from conftest import Cli

STUDY = """\
model = "bert"
train = "rows.csv"
test = "rows.csv"
text_columns = ["text"]
shots = [0, 2]
seeds = [1]
baselines = ["majority"]

[templates]
plain = '<"placeholder":"text_a"> It was <"mask">.'

[verbalizers]
words = "no: not; yes: good"
"""
LABELS = ["no", "yes", "no", "yes", "yes", "no"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def folder(tmp_path: Path, model: str) -> Path:
    """A folder with a model, labelled rows and a study file."""
    (tmp_path / "bert").symlink_to(model)
    lines = [f'"{text}",{label}' for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]))
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures: their tests are elsewhere."""
    monkeypatch.setattr(publishing, "find_spec", lambda name: None)


def test_a_study_is_run_and_left_in_its_folder(cli: Cli, folder: Path) -> None:
    """Zero-shot, the accuracy is plain transformers'; the pictures are there too."""
    pytest.importorskip("matplotlib")
    answers = [["no", "yes"][i] for i in by_hand(TEXTS, ["not", "good"]).argmax(1)]
    expected = sum(a == b for a, b in zip(answers, LABELS, strict=True)) / 6
    ran = cli("compare", folder / "study.toml")
    assert (ran.code, ran.err) == (0, "")
    row = next(line.split() for line in ran.out.splitlines() if line.startswith("plain/words") and " 0 " in line)
    assert row[:4] == ["plain/words", "0", "1", f"{expected:.3f}"]
    assert any(line.split()[0] == "majority" and line.endswith("no sense") for line in ran.out.splitlines() if line)
    assert ran.out.endswith("study/report.html has the report; table and pictures are beside it\n")
    names = {path.name for path in (folder / "study").iterdir()}
    pictures = {f"{name}.{kind}" for name in ("curves", "cost", "templates") for kind in ("png", "svg")}
    assert names == {"cells", "data.json", "study.json", "table.csv", "table.md", "report.html", *pictures}
    with (folder / "study" / "table.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["accuracy"]) == pytest.approx(expected)
    assert "plain = &#x27;&lt;&quot;placeholder&quot;" in (folder / "study" / "report.html").read_text()


@pytest.mark.usefixtures("quick")
def test_stopped_it_says_how_to_go_on_and_goes_on(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran_cells: list[Any] = []
    run = Job.run

    def stopping(job: Job, cell: Any) -> Any:
        ran_cells.append(cell)
        if len(ran_cells) == 3:
            raise KeyboardInterrupt
        return run(job, cell)

    monkeypatch.setattr(Job, "run", stopping)
    ran = cli("compare", folder / "study.toml", "--out", folder / "out")
    assert (ran.code, ran.out) == (compare.INTERRUPTED, "")
    assert "stopped: 2 of 4 cells are done and kept; the same call goes on from there" in ran.err
    again = cli("compare", folder / "study.toml", "--out", folder / "out")
    assert again.code == 0
    assert "no pictures: they take matplotlib" in again.err
    assert len(ran_cells) == 3 + 2  # the cell that was stopped, and the one after it
    assert Study.load(folder / "out").pending == ()


@pytest.mark.usefixtures("quick")
def test_cells_that_fail_end_in_exit_code_1(cli: Cli, folder: Path) -> None:
    text = STUDY.replace("[verbalizers]", 'far = \'<"placeholder":"other"> <"mask">\'\n[verbalizers]')
    (folder / "study.toml").write_text(text)
    ran = cli("compare", folder / "study.toml")
    assert ran.code == 1
    assert "2 cells failed, the first far/words, 0 shots" in ran.err
    assert "--retry runs them again" in ran.err
    assert "PD" in (folder / "study" / "table.csv").read_text()


def test_everything_wrong_is_said_at_once(cli: Cli, folder: Path) -> None:
    (folder / "study.toml").write_text(
        'test = 3\nshotz = [1]\nlabel = "x"\ntrain = "row.csv"\nseeds = [true]\n[templates]\n'
        'a = \'<"plceholder":"text_a"> <"mask">\'\n[settings.a]\nstep = 3\n[settings.b]\nx = 1\n'
    )
    ran = cli("compare", folder / "study.toml")
    assert (ran.code, ran.out) == (2, "")
    assert "study.toml:2:1\n  |\n2 | shotz = [1]\n  | ^^^^^" in ran.err
    with pytest.raises(PromptDSLError) as caught:
        read_study(str(folder / "study.toml"))
    found = [(d.code, d.message.split(" /")[0], d.line, d.help) for d in caught.value.diagnostics]
    assert found == [
        ("PD852", "test must be the name of a file", 1, "write the name of a file"),
        ("PD851", 'no key "shotz"', 2, 'did you mean "shots"?'),
        ("PD851", 'no key "label"', 3, 'did you mean "label_column"?'),
        ("PD852", "seeds must be a list of whole numbers", 5, "write a list of whole numbers"),
        ("PD853", "there is no verbalizers", None,
         "give verbalizers: a table name → verbalizer, or a list of verbalizers"),
        ("PD201", 'unknown tag "plceholder"', 1, 'did you mean "placeholder"?'),
        ("PD801", "train: no file", 4, "check the path"),
        ("PD851", 'no key "b" in [settings]', 10, found[-2][3]),
        ("PD851", 'no key "step" in [settings.a]', 9, 'did you mean "steps"?'),
    ]  # fmt: skip
    assert found[-2][3].startswith("known are a, majority, tfidf, batch_size")
    assert not (folder / "study").exists()


@pytest.mark.parametrize(
    ("text", "place"),
    [("a = 1\nb = [1,\nc = 2", "3:"), ('a = "x', "1:7"), ("", "PD853"), ("é = 1", "1:1"), ("[" * 100000, "1:")],
)
def test_what_is_no_toml_is_told_by_its_place(cli: Cli, folder: Path, text: str, place: str) -> None:
    (folder / "study.toml").write_text(text, "utf-8")
    ran = cli("compare", folder / "study.toml")
    assert ran.code == 2
    assert ran.err.startswith("FileError: PD85")
    assert place in ran.err


def test_settings_of_all_templates_are_under_those_of_one(folder: Path) -> None:
    """What only TrainingSettings has becomes one; candidates go on top of it."""
    more = 'soft = \'<"placeholder":"text_a"> <"soft"> <"mask">\'\n[verbalizers]'
    text = STUDY.replace("[verbalizers]", more) + (
        "[settings]\nsteps = 7\nwarmup = 0.5\n[settings.soft]\nsteps = 9\n[[choose.soft]]\nschedule = 'constant'\n"
    )
    (folder / "study.toml").write_text(text)
    found = read_study(str(folder / "study.toml"))
    assert found.arguments["settings"] == {
        "plain": {"steps": 7, "settings": TrainingSettings(warmup=0.5)},
        "soft": {"steps": 9, "settings": TrainingSettings(warmup=0.5)},
    }
    assert found.arguments["choose"] == {"soft": [{"settings": TrainingSettings(warmup=0.5, schedule="constant")}]}
    assert found.folder == folder / "study"
    assert found.arguments["model"] == str(folder / "bert")


def test_a_peft_configuration_is_a_table(folder: Path) -> None:
    peft = pytest.importorskip("peft")
    (folder / "study.toml").write_text(STUDY + '[settings.plain.tune]\npeft_type = "LORA"\nr = 2\n')
    tune = read_study(str(folder / "study.toml")).arguments["settings"]["plain"]["tune"]
    assert isinstance(tune, peft.LoraConfig) and tune.r == 2
    (folder / "study.toml").write_text(STUDY + '[settings.plain.tune]\npeft_type = "LORAX"\n')
    with pytest.raises(PromptDSLError, match="tune is no PEFT configuration"):
        read_study(str(folder / "study.toml"))


def test_files_of_strings_start_at_the_study(folder: Path) -> None:
    (folder / "t.template").write_text('<"placeholder":"text_a"> <"mask">')
    (folder / "study.toml").write_text(STUDY.replace("[verbalizers]", 'filed = "@t.template"\n[verbalizers]'))
    found = read_study(str(folder / "study.toml")).arguments["templates"]
    assert found["filed"] == '<"placeholder":"text_a"> <"mask">'
    (folder / "study.toml").write_text(STUDY.replace("[verbalizers]", 'filed = "@u.template"\n[verbalizers]'))
    with pytest.raises(PromptDSLError, match="PD801"):
        read_study(str(folder / "study.toml"))


def test_the_example_is_a_study_of_the_samples(cli: Cli, tmp_path: Path) -> None:
    printed = cli("compare", "--example")
    assert (printed.code, printed.out) == (0, EXAMPLE)
    (tmp_path / "study.toml").write_text(printed.out)
    given = read_study(str(tmp_path / "study.toml")).arguments
    assert [len(rows) for part in given["data"] for rows in part] == [100, 100, 100, 100]
    assert given["data"][0][0] != given["data"][1][0]
    assert given["settings"]["soft"]["steps"] < 100
    assert cli("compare").code == 2
    (tmp_path / "study.toml").write_text(EXAMPLE.replace("sample:sentiment/train", "sample:sentimnt/train"))
    assert 'write "sample:sentiment/train"' in cli("compare", tmp_path / "study.toml").err


def test_every_key_is_an_argument_of_compare() -> None:
    from inspect import signature

    from promptdsl.comparison.comparing import compare as function

    known = {*signature(function).parameters, "train", "test"} - {"data", "progress", "retry"}
    assert set(study_file.KEYS) == known


@pytest.mark.usefixtures("quick")
def test_a_narrow_terminal_has_the_numbers_whole(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal of 80 columns the table leaves columns out rather than digits."""
    assert cli("compare", folder / "study.toml").code == 0
    study = Study.load(folder / "study")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    compare._show(study, study.lines())
    out = capsys.readouterr().out
    (line,) = [line for line in study.lines() if line.arm == "plain/words" and line.shots == 0]
    assert f"{line.accuracy:.3f}  [{line.low:.3f}, {line.high:.3f}]" in out
    assert max(map(len, out.splitlines()[1:-1])) < 80
    assert "the terminal is too narrow for all columns" in out
