"""What the README says is true: its blocks run, and its links and pictures are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.tables import ROOT, read_table
from helpers.tables.models import NAME, PAGE, table
from PIL import Image

README = ROOT / "README.md"
PICTURES = "https://raw.githubusercontent.com/napari-superres/napari-superres-torch/main/"
"""Package indexes show the README, and find pictures only by their whole address."""


def blocks(language: str, document: Path = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout to the README's commands."""
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    return tmp_path


def test_python_block(checkout):
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "bicubic" in done.stdout


def test_command_block(checkout):
    script = "set -e\n" + "".join(blocks("bash"))
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": path, "HOME": str(checkout)},
    )
    assert done.returncode == 0, done.stderr
    assert (checkout / "nuclei_sr.ome.tif").exists()
    assert "result" in done.stdout


def test_what_is_told_of_evaluation(checkout):
    (code,) = blocks("python", ROOT / "docs" / "evaluation.md")
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Is it consistent with its input?" in done.stdout
    assert (checkout / "report.html").exists()


def test_model_table_is_that_of_the_cards():
    assert read_table(PAGE, NAME) == table(), "run: make tables"


def test_files_that_are_linked_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_pictures_are_in_the_checkout():
    addresses = re.findall(r"!\[[^]]+\]\((.+?)\)", README.read_text(encoding="utf-8"))
    assert addresses
    for address in addresses:
        assert address.startswith(PICTURES), address
        assert (ROOT / address.removeprefix(PICTURES)).stat().st_size < 1_500_000, address


def test_the_film_is_small_and_shown():
    film = ROOT / "docs" / "images" / "first-steps.webm"
    assert 100_000 < film.stat().st_size < 4_000_000
    assert film.name in (ROOT / "docs" / "tutorials" / "first-image.md").read_text(encoding="utf-8")


def test_pictures_can_be_drawn_again(tmp_path):
    subprocess.run([sys.executable, ROOT / "docs" / "pictures.py", "--to", tmp_path], check=True)
    for name in ("before-after.png", "curtain.gif"):
        with Image.open(tmp_path / name) as drawn, Image.open(ROOT / "docs" / "images" / name) as shown:
            frames = [getattr(picture, "n_frames", 1) for picture in (drawn, shown)]
            assert (drawn.size, frames[0]) == (shown.size, frames[1]), name


def test_code_is_near_the_top():
    assert "```bash" in README.read_text(encoding="utf-8").splitlines()[:20]
