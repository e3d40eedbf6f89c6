"""What other programs run of ours: workflows, a container, conda's recipe. Their commands, options and files exist."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from helpers.tables import ROOT
from helpers.tables.conda import RECIPE, recipe

from napari_superres import read_image
from napari_superres.cli.app import app

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONTAINER = ROOT / "Containerfile"
SNAKEFILE, NEXTFLOW = ROOT / "examples" / "Snakefile", ROOT / "examples" / "main.nf"


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Containerfile with their arguments, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]


def test_the_container_installs_what_is_there_and_runs_the_command_line():
    steps = instructions(CONTAINER.read_text(encoding="utf-8"))
    assert [word for word, _ in steps if word in ("FROM", "ENTRYPOINT", "USER")] == ["FROM", "USER", "ENTRYPOINT"]
    given = dict(steps)
    version = re.fullmatch(r"docker\.io/library/python:(3\.\d+)-slim-\w+", given["FROM"])[1]
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
    assert given["ENTRYPOINT"] == '["superres"]'
    assert "superres" in PROJECT["scripts"]
    assert given["USER"] not in ("0", "root")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [source for word, rest in steps if word == "COPY" for source in rest.split()[:-1]]
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources), "all else is left out"
    assert all((ROOT / source).exists() for source in sources)
    installed = " ".join(rest for word, rest in steps if word == "RUN")
    assert "-c constraints.txt" in installed


@pytest.mark.parametrize("path", [SNAKEFILE, NEXTFLOW, CONTAINER], ids=lambda path: path.name)
def test_commands_in_examples_have_known_options(path):
    commands = typer.main.get_command(app).commands
    calls = re.findall(r"superres ((?:upscale|verify) [^\n>\"]*)", path.read_text(encoding="utf-8"))
    assert calls
    for call in calls:
        name, *words = shlex.split(call)
        known = {text for option in commands[name].params for text in option.opts}
        assert {word for word in words if re.fullmatch(r"--?[a-z-]+", word)} <= known, call


def test_the_recipe_for_conda_is_that_of_the_project():
    assert RECIPE.read_text(encoding="utf-8") == recipe(), "run: make tables"
    plain = re.sub(r"\{\{.*?\}\}", "x", re.sub(r"\{%.*?%\}", "", recipe()))
    facts = yaml.safe_load(plain)
    assert len(facts["requirements"]["run"]) == 1 + len(PROJECT["dependencies"])
    assert facts["about"]["license"] == PROJECT["license"]


def test_nextflow_is_balanced_and_every_process_is_used():
    """Nextflow needs Java, so this only finds slips."""
    code = re.sub(r"^//.*$", "", NEXTFLOW.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for left, right in ("{}", "()"):
        assert code.count(left) == code.count(right)
    assert code.count('"""') % 2 == 0
    workflow = code.partition("workflow {")[2]
    for process in re.findall(r"^process (\w+)", code, flags=re.MULTILINE):
        assert process in workflow
    used = {*re.findall(r"params\.(\w+)", code)}
    assert used == {*re.findall(r"^params\.(\w+) =", code, flags=re.MULTILINE)}


@pytest.mark.docs
def test_snakemake_lists_the_jobs_and_runs_them(tmp_path):
    pytest.importorskip("snakemake")
    (tmp_path / "scans").mkdir()
    for name in ("a", "b c"):
        shutil.copy(ROOT / "sample_data" / "nuclei_lr.ome.tif", tmp_path / "scans" / f"{name}.ome.tif")

    def snakemake(*words: str) -> str:
        settings = ("images=scans", "results=upscaled", "model=bicubic-x2")
        program = [sys.executable, "-m", "snakemake", "--snakefile", SNAKEFILE, "--cores", "1", *words]
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        done = subprocess.run(
            [*program, "--config", *settings],
            cwd=tmp_path,
            env={"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    listed = snakemake("--dry-run")
    assert re.search(r"^upscale +2$", listed, flags=re.MULTILINE), listed
    assert re.search(r"^verify +2$", listed, flags=re.MULTILINE), listed
    assert not (tmp_path / "upscaled").exists()
    snakemake()
    assert read_image(tmp_path / "upscaled" / "b c.ome.tif").shape == (252, 252)
    assert "is the output of" in (tmp_path / "upscaled" / "a.verified.txt").read_text(encoding="utf-8")
