"""Names, folders, digests and samples; importing `napari_superres.io` loads no format library."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError, UnreadableImageError
from napari_superres.io import (
    WRITE_SUFFIXES,
    describe,
    file_digest,
    find_images,
    is_anonymous,
    list_samples,
    output_suffix,
    read_image,
    sample_path,
    samples,
    stem,
    suffix,
    write_image,
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.ome.tif", ("a", ".ome.tif")),
        ("A.OME.TIFF", ("A", ".ome.tiff")),
        ("b.nii.gz", ("b", ".nii.gz")),
        ("c.ome.zarr", ("c", ".ome.zarr")),
        ("d.v2.tif", ("d.v2", ".tif")),
        ("1.2.840.113", ("1.2.840.113", "")),
        ("IM0001", ("IM0001", "")),
        ("x.docx", ("x", ".docx")),
        ("dir/a b.png", ("a b", ".png")),
    ],
)
def test_stem_and_suffix(name: str, parts: tuple[str, str]) -> None:
    assert (stem(name), suffix(name)) == parts
    assert (stem(Path(name)), suffix(Path(name))) == parts


def test_suffix_of_the_result() -> None:
    wanted = {
        "a.tif": ".ome.tif",
        "a.ome.tiff": ".ome.tif",
        "a.zarr": ".ome.zarr",
        "a.nii": ".nii.gz",
        "a.dcm": ".nii.gz",
        "a.nrrd": ".nrrd",
        "a.mhd": ".mha",
        "a.jpg": ".png",
        "a.bmp": ".png",
        "a.mrc": ".ome.tif",
    }
    assert {name: output_suffix(name) for name in wanted} == wanted
    assert set(wanted.values()) <= set(WRITE_SUFFIXES)
    with pytest.raises(SettingsError, match="that can be read: "):
        output_suffix("a.docx")
    assert [is_anonymous(n) for n in ("a.dcm", "a.tif")] == [True, False]


def test_images_of_a_folder(make_image: Callable[..., Image], tmp_path: Path) -> None:
    image = make_image("YX", metadata={"provenance": {"model": "x"}})
    for name in ("b.tif", "a.ome.tif", "c.ome.zarr", "d [1].nrrd"):
        write_image(image, tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.tif").write_text("x")
    (tmp_path / "deeper").mkdir()
    write_image(image, tmp_path / "deeper" / "e.tif")
    assert [p.name for p in find_images(tmp_path)] == ["a.ome.tif", "b.tif", "c.ome.zarr", "d [1].nrrd"]
    assert [p.name for p in find_images(f"{tmp_path}/*.tif")] == ["a.ome.tif", "b.tif"]
    assert [p.name for p in find_images(f"{tmp_path}/**/*.tif")] == ["a.ome.tif", "b.tif", "e.tif"]
    assert find_images(tmp_path / "c.ome.zarr") == [tmp_path / "c.ome.zarr"]
    assert find_images(str(tmp_path / "d [1].nrrd")) == [tmp_path / "d [1].nrrd"]
    (tmp_path / "none").mkdir()
    for nothing in (tmp_path / "none", f"{tmp_path}/*.png", f"{tmp_path}/*.txt", tmp_path / "missing.tif"):
        with pytest.raises(UnreadableImageError):
            find_images(nothing)


def test_digests(make_image: Callable[..., Image], tmp_path: Path) -> None:
    path = write_image(make_image("YX"), tmp_path / "a.nrrd")
    assert file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    one = write_image(make_image("YX"), tmp_path / "a.zarr")
    two = write_image(make_image("YX"), tmp_path / "b.zarr")
    other = write_image(make_image("YX", pixel_size=0.2), tmp_path / "c.zarr")
    assert file_digest(one) == file_digest(two) != file_digest(other)
    with pytest.raises(UnreadableImageError):
        file_digest(tmp_path / "missing")


@pytest.mark.parametrize("ending", [".ome.tif", ".tif", ".ome.zarr", ".nrrd"])
def test_description_is_json(ending: str, make_image: Callable[..., Image], tmp_path: Path) -> None:
    path = write_image(make_image("CYX", channel_names=("a", "b")), tmp_path / f"a{ending}")
    (told,) = json.loads(json.dumps(describe(path)))
    assert told["axes"] == "CYX"
    assert told["shape"] == [2, 7, 9]
    assert told["dtype"] == "uint16"
    assert told["pixel_size"] == pytest.approx([0.13, 0.26])
    assert told["units"]["X"] == "micrometer"
    assert told["channel_names"] == ["a", "b"]
    assert told["bytes"] == 2 * 7 * 9 * 2


def test_samples(tmp_path: Path, make_image: Callable[..., Image], monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(make_image("YX"), tmp_path / "cells_lr.ome.tif")
    (tmp_path / "samples.json").write_text(json.dumps([{"name": "cells", "lr": "cells_lr.ome.tif", "hr": "x"}]))
    monkeypatch.setattr(samples, "_folder", lambda: tmp_path)
    samples._entries.cache_clear()
    assert [s["name"] for s in list_samples()] == ["cells"]
    assert read_image(sample_path("cells")).shape == (7, 9)
    assert sample_path("samples.json").is_file()
    for wrong in ("mouse", "../samples.json", ""):
        with pytest.raises(SettingsError, match="Samples: cells"):
            sample_path(wrong)
    samples._entries.cache_clear()


def test_importing_loads_no_format_library() -> None:
    code = (
        "import sys, napari_superres.io; heavy = 'tifffile zarr yaozarrs SimpleITK PIL imageio torch napari'.split(); "
        "print([m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_damaged_zarr_is_no_folder_of_images(tmp_path: Path) -> None:
    path = write_image(Image.from_array(np.zeros((9, 9), np.uint8), "YX"), tmp_path / "a.ome.zarr")
    (path / "zarr.json").unlink()
    assert find_images(path) == [path]
    with pytest.raises(UnreadableImageError):
        read_image(path)
