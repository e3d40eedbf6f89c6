"""Networks of other packages: the example of CONTRIBUTING.md, and packages that are broken."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from napari_superres.errors import ModelFileError
from napari_superres.models.architectures import GROUP, build, list_architectures

GUIDE = Path(__file__).parents[3] / "CONTRIBUTING.md"


def install(folder, name, source, points):
    """Write a package into a folder, as an installer would."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(source)
    facts = folder / f"{name}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "\n".join(f"{key} = {value}" for key, value in points.items())
    (facts / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")


def test_the_example_works_as_it_stands(tmp_path):
    section = (
        GUIDE.read_text(encoding="utf-8").split("## Add a network from a package of your own")[1].split("\n## ")[0]
    )
    project, network, use = re.findall(r"```(?:toml|python)\n(.*?)```", section, re.DOTALL)
    points = tomllib.loads(project)["project"]["entry-points"][GROUP]
    assert list(points) == ["sharpness"]
    install(tmp_path / "site", "sharpness", network, points)
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(
        [sys.executable, "-c", use + "\nfrom napari_superres.models import find_card\nprint(find_card('mine').halo)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path, "NAPARI_SUPERRES_MODELS": str(tmp_path / "library")},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["(122, 94)", "(4, 4)"]
    assert "halo" not in run.stderr


def test_errors_name_the_broken_package(tmp_path, monkeypatch):
    points = {"noclass": "broken:Nothing", "nomodule": "broken:NotAModule", "fsrcnn": "broken:NotAModule"}
    install(tmp_path, "broken", "def NotAModule(**_):\n    return 3\n", points)
    monkeypatch.syspath_prepend(tmp_path)
    assert list_architectures()[-2:] == ("noclass", "nomodule")
    with pytest.raises(ModelFileError, match=r"noclass of the package broken cannot be imported.*Nothing"):
        build("noclass", {})
    with pytest.raises(ModelFileError, match=r"nomodule must be a torch.nn.Module, got int"):
        build("nomodule", {})
    # A name of ours stays ours.
    assert type(build("fsrcnn", {"scale": [2, 2]})).__name__ == "FSRCNN"
    with pytest.raises(ModelFileError, match=r"unknown architecture 'never'.*fsrcnn.*noclass"):
        build("never", {})
