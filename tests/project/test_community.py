"""The files that people and services expect at the top of a repository are sound, and agree with each other."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import napari_superres

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = sorted([*(ROOT / ".github").rglob("*.yml"), ROOT / "CITATION.cff", ROOT / ".pre-commit-config.yaml"])
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(p for p in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if p.name != "config.yml")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def load(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_yaml_parses(path):
    assert isinstance(load(path), dict)


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_workflows_call_targets_that_exist(path):
    workflow = load(path)
    # YAML 1.1 reads the key `on` as a boolean.
    assert workflow[True], "a workflow says when it runs"
    assert workflow["permissions"] == {"contents": "read"}, "more rights are given to single jobs"
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    targets = [t for step in steps for t in re.findall(r"\bmake (?:--silent )?([a-z-]+)", step.get("run", ""))]
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE), target
    for action in (step["uses"] for step in steps if "uses" in step):
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[\w./]+", action), action


def test_the_matrix_covers_what_is_promised():
    matrix = load(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    assert matrix["python"] == promised
    assert PROJECT["project"]["requires-python"] == f">={promised[0]}"
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    kinds = {*matrix["dependencies"], *(case["dependencies"] for case in matrix["include"])}
    assert kinds == {"pinned", "oldest", "newest", "napari-prerelease"}
    for kind in kinds:
        assert kind in MAKEFILE


def test_every_target_is_declared_and_the_help_names_only_targets():
    declared = set(re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", MAKEFILE, flags=re.MULTILINE)[1].replace("\\\n", "").split())
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, flags=re.MULTILINE))
    assert declared == targets
    assert set(re.findall(r'@echo "make ([a-z-]+)', MAKEFILE)) <= targets


@pytest.mark.parametrize("path", FORMS, ids=name)
def test_issue_forms_have_what_github_asks_for(path):
    form = load(path)
    assert form["name"]
    assert form["description"]
    kinds = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert all(part["type"] in kinds and part["attributes"] for part in form["body"])
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids))


def test_there_is_one_source_of_the_version():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert "version" not in PROJECT["project"]
    assert ROOT / PROJECT["tool"]["hatch"]["version"]["path"] == Path(napari_superres.__file__)
    # The citation names no version, so that it cannot be out of date.
    assert "version" not in load(ROOT / "CITATION.cff")
    printed = subprocess.run(["make", "--silent", "version"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == napari_superres.__version__


def test_the_citation_has_what_its_format_asks_for():
    citation = load(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == PROJECT["project"]["license"]


def test_the_listing_has_what_the_hub_of_napari_shows():
    names = {"Homepage", "Documentation", "Source Code", "Bug Tracker", "User Support"}
    assert names <= set(PROJECT["project"]["urls"])
    assert all(url.startswith("https://") for url in PROJECT["project"]["urls"].values())
    assert "Framework :: napari" in PROJECT["project"]["classifiers"]
    manifest = load(ROOT / "napari_superres" / "napari.yaml")
    assert set(manifest["categories"]) & {"Image Processing", "Measurement"}


def test_the_changelog_follows_its_convention():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "https://keepachangelog.com/" in text
    releases = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    for release in releases[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", release), release
    for release in releases:
        assert re.search(rf"^{re.escape(release.split(' ')[0])}: https://", text, flags=re.MULTILINE), release
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, flags=re.MULTILINE)) <= kinds


@pytest.mark.parametrize("file", ["CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_of_community_files_exist(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    assert text.startswith("# ")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
