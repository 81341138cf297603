"""The pages of the documentation that are read from the code."""

import re
import shlex

import pytest

from bench import commands, options
from bench.overrides import prepared
from bench.reporting.reference import PACKAGE, pages, values


@pytest.fixture(scope="module")
def written():
    return {file.name: page for file, page in pages(commands).items()}


def texts(page: str) -> list[str]:
    """What stands in the tables' cells, as it is without Markdown."""
    cells = [cell for line in page.splitlines() if line.startswith("| ") for cell in re.split(r"(?<!\\)\|", line)]
    return [cell.strip().strip("`").replace("\\|", "|") for cell in cells]


def test_the_files_are_what_the_code_gives():
    for file, page in pages(commands).items():
        assert file.read_text() == page, "run: python -m bench.reporting.reference"
        assert "<!--" not in page


def test_every_command_is_there_with_its_line_of_help_and_its_values(written):
    page = written["cli.md"]
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == list(commands.NAMES)
    for name in commands.NAMES:
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        help = commands.module(name).COMMAND.help
        assert help[1:] in section
        assert f"python -m bench {name}" in section
        if name in options.names("command"):
            assert all(f"| `{value.name}` |" in section for value in values("command", name))


def test_the_examples_name_what_there_is():
    """Each passes what is looked at before Hydra reads it, and the options that it chooses are there."""
    assert set(commands.EXAMPLES) == set(commands.NAMES)
    for name, examples in commands.EXAMPLES.items():
        for example in examples:
            words = prepared(commands.module(name).COMMAND.read(shlex.split(example)), name)
            for group, option in (word.split("=") for word in words if re.fullmatch(r"\w+=\w*[a-z]\w*", word)):
                assert group not in options.groups() or option in options.names(group), (name, example)


def test_every_option_and_every_value_of_it_is_there(written):
    page = written["configuration.md"]
    for group in (group for group in options.groups() if group != "command"):
        for name in options.names(group):
            summary = PACKAGE.sub("", options.summary(group, name))
            title = f"\n### {group}={name}\n" if group != "budget" else f"* `budget={name}`:"
            section = page.partition(title)[2].partition("\n### ")[0]
            assert section, title
            assert summary[1:] in section
            for value in values(group, name):
                assert value.remark.replace("|", "\\|") in section
                assert f"| `{value.name}` |" in section
    for name in re.findall(r"^(\w+):", options.resources.files(options.FOLDER).joinpath("config.yaml").read_text(),
                           re.MULTILINE):
        assert name in ("defaults", "cell", "hydra") or f"| `{name}` |" in page


def test_a_value_has_the_default_and_the_remark_of_its_file():
    found = {value.name: value for value in values("attack", "algorithm1")}
    assert found["retraining"] == ("retraining", "", "PyMARL's, probably the paper's")
    assert found["retraining.updates_per_round"].default == "32"
    assert found["payload"].default == "{balance: 0.5, reward_max: null}"
    assert found["victim"].remark.startswith("the agent whose walk away")
    grids = {value.name: value.default for value in values("sweep", "shipped")}
    assert grids["grids[0].detector"].startswith("[sentinel, action_drift, "), "a list of words, a line each"
    assert grids["grids[1].detector"] == "as grids[0].detector"
    assert len(grids) == len(values("sweep", "shipped")), "each value once"
    assert all("*" not in default and "&" not in default for default in grids.values())


def test_nothing_is_said_that_is_not_in_a_file(written):
    """No remark and no default is longer than what its file has, and tables have no other words than the files."""
    root = options.resources.files(options.FOLDER)
    files = [root.joinpath("config.yaml"), *(root.joinpath(group, f"{name}.yaml") for group in options.groups()
                                             for name in options.names(group))]
    source = " ".join(" ".join(re.sub(r"&\w+ ", "", file.read_text()).split()) for file in files)
    source = re.sub(r"(?<=\w) *\n? *# (?=\w)", " ", source)
    for text in texts(written["configuration.md"]):
        head = text in ("", "value", "default", "remark", "group", "option", "---", "what it is",
                        *options.names("budget"))
        named = re.fullmatch(r"[\w.@]+(\[\d+\][\w.]*)*|as [\w.\[\]]+|\[[\w, .=/-]+\]", text)  # names, lists of words
        assert head or named or all(part in source for part in text.split("; smoke: ")), text
