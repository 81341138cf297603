"""What people and services read beside the code: the citation, GitHub's forms and workflow, pre-commit's hooks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import bench
from bench import commands

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def read(name: str):
    return yaml.safe_load((ROOT / name).read_text())


def test_the_citation_is_of_this_release():
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys(), "what CFF 1.2.0 requires"
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == bench.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["title"].startswith(f"{PROJECT['name']}: ")
    assert len(re.findall(r"\.(?:\s|$)", citation["abstract"])) == 3
    assert citation.get("repository-code") == PROJECT.get("urls", {}).get("Repository")
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert paper["identifiers"][0]["value"] == "arXiv:2409.07775"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_asks_for_what_is_needed(form):
    asked = yaml.safe_load(form.read_text())
    assert asked["name"]
    assert asked["description"]
    fields = [part for part in asked["body"] if part["type"] != "markdown"]
    names = [part["id"] for part in fields]
    assert len(names) == len(set(names))
    assert all(part["attributes"]["label"] for part in fields)
    assert any(part.get("validations", {}).get("required") for part in fields)


def test_forms_name_commands_that_exist():
    assert len(FORMS) == 4
    named = {word for form in FORMS for word in re.findall(r"python -m bench ([a-z]\w*)", form.read_text())}
    assert named
    assert named <= set(commands.NAMES)


def test_the_workflow_runs_what_is_here():
    workflow = read(".github/workflows/ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    goals = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"].split() for step in steps if "run" in step]
    assert [".ci/run"] in commands
    for first, *others in commands:
        assert set(others) <= set(goals) if first == "make" else (ROOT / first).stat().st_mode & 0o111
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)


def test_the_versions_of_python_are_those_that_are_tried():
    tried = read(".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    named = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in PROJECT["classifiers"]]
    assert tried == [found[1] for found in named if found]
    assert PROJECT["requires-python"] == f">={tried[0]}"


def test_the_hooks_are_what_make_lint_runs():
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local", "the versions are those of .venv"
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    entries = [hook["entry"] for hook in repository["hooks"]]
    assert entries
    assert all(entry.split()[0].replace(".venv/bin", "$(BIN)") in lint for entry in entries)
