"""Which files a batch takes, how it names them, and where their results go."""

from pathlib import Path

import numpy as np
import pytest

from napari_superres import Image, read_image, write_image
from napari_superres.inference import upscale_files
from napari_superres.inference.batch_files import BatchFiles

MODEL = "nearest-x2"


def make(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_image(Image.from_array(np.full((8, 9), value, np.uint8), "YX"), path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with images in subfolders, two of one name, a zarr, and files that are no images."""
    top = tmp_path / "tree"
    make(top / "day 1/a.tif", 1)
    make(top / "day 2/deep/a.tif", 2)
    make(top / "day 2/b.ome.zarr", 3)
    make(top / ".hidden/c.tif", 4)
    make(top / "top.png", 5)
    (top / "day 1/notes.txt").write_text("no image")
    (top / "empty").mkdir()
    return top


def names(folder: Path) -> dict[str, int]:
    """Return the value of each result in a folder, by its path."""
    found = {
        p.relative_to(folder).as_posix().removesuffix(".provenance.json") for p in folder.rglob("*.provenance.json")
    }
    return {name: int(np.asarray(read_image(folder / name).data).max()) for name in sorted(found)}


RESULTS = {
    "b_nearest-x2.ome.zarr": 3,
    "day 1/a_nearest-x2.ome.tif": 1,
    "day 2/deep/a_nearest-x2.ome.tif": 2,
    "top_nearest-x2.png": 5,
}


@pytest.mark.parametrize("place", ["elsewhere", "tree/results", "tree"])
def test_a_tree_is_upscaled_once_wherever_its_results_go(place: str, tree: Path) -> None:
    folder = tree.parent / place
    for status, options in (("done", {}), ("skipped", {"resume": True}), ("done", {"overwrite": True})):
        outcomes = upscale_files(tree, folder, model=MODEL, recursive=True, **options)
        assert [o.status for o in outcomes] == [status] * 4, [o.message for o in outcomes]
        assert sorted(o.source for o in outcomes) == ["b.ome.zarr", "day 1/a.tif", "day 2/deep/a.tif", "top.png"]
        assert names(folder) == RESULTS


def test_folders_inside_each_other_are_searched_once(tree: Path) -> None:
    outcomes = upscale_files([tree, tree / "day 2"], tree.parent / "out", model=MODEL, recursive=True)
    assert len(outcomes) == 4


@pytest.mark.parametrize("pattern", ["day*/**/a.tif", None])
def test_files_of_one_name_in_different_folders(pattern: str | None, tree: Path) -> None:
    sources = [tree / "day 1/a.tif", tree / "day 2/deep/a.tif"] if pattern is None else str(tree / pattern)
    outcomes = upscale_files(sources, tree.parent / "out", model=MODEL)
    assert [(o.status, o.source) for o in outcomes] == [("done", "day 1/a.tif"), ("done", "day 2/deep/a.tif")]
    assert names(tree.parent / "out") == {k: v for k, v in RESULTS.items() if "/a_" in k}


def test_files_of_one_stem_in_one_folder_are_both_named(tree: Path) -> None:
    make(tree / "day 1/a.png", 6)
    outcomes = upscale_files([tree / "day 1"], tree.parent / "out", model=MODEL, suffix=".ome.tif")
    assert [o.status for o in outcomes] == ["done", "failed"]
    assert outcomes[1].message.startswith("a.tif and a.png would have the same result, a_nearest-x2.ome.tif")


def test_folders_of_medical_images_stay_out_of_names(tmp_path: Path) -> None:
    for number, patient in enumerate(("Meier", "Schulze")):
        volume = Image.from_array(np.full((4, 5, 6), number, np.uint8), "ZYX", pixel_size=1.0, unit="millimeter")
        (tmp_path / "in" / patient).mkdir(parents=True)
        write_image(volume, tmp_path / "in" / patient / "scan.nii.gz")
    outcomes = upscale_files(tmp_path / "in", tmp_path / "out", model=MODEL, recursive=True)
    assert [o.status for o in outcomes] == ["done", "done"], [o.message for o in outcomes]
    shown = " ".join([*map(str, outcomes), *map(str, (tmp_path / "out").rglob("*"))])
    assert not any(name in shown.replace(str(tmp_path), "") for name in ("Meier", "Schulze", "scan"))
    assert len({o.target for o in outcomes}) == 2


def test_a_batch_of_nothing_but_results_has_no_input(tree: Path) -> None:
    upscale_files(tree / "day 1", tree / "day 1", model=MODEL)
    assert [p.name for p in BatchFiles.find([tree / "day 1"], tree / "day 1", MODEL).paths] == ["a.tif"]
