"""Missing and damaged chunks of a zarr: an error that names them, or filled and listed."""

import json

import numpy as np
import pytest
import zarr

from napari_superres import Image, read_image, upscale, upscale_file, write_image
from napari_superres.errors import SuperResWarning, UnreadableImageError
from napari_superres.inference import upscale_files


def spoiled(image, folder, chunks, damage):
    """Write an image in chunks and damage some; return its folder and the names of these."""
    path = folder / "spoiled.zarr"
    note = {"napari_superres": {"every_chunk_is_stored": True}}
    array = zarr.create_array(
        str(path), shape=image.shape, chunks=(1, 16, 16), dtype=image.dtype, fill_value=7, attributes=note
    )
    array[...] = np.asarray(image.data)
    names = ["c/" + "/".join(map(str, corner)) for corner in chunks]
    for name in names:
        if damage == "missing":
            (path / name).unlink()
        else:
            (path / name).write_bytes((path / name).read_bytes()[:-9])
    return path, names


@pytest.mark.parametrize("damage", ["missing", "damaged"])
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_bad_chunks(damage, suffix, small_cuts, espcn, tmp_path):
    data = np.random.default_rng(0).integers(0, 5000, (2, 64, 80)).astype(np.uint16)
    image, target = Image.from_array(data, "CYX"), tmp_path / f"out{suffix}"
    corners = [(0, 1, 2), (1, 3, 0)]
    path, names = spoiled(image, tmp_path, corners, damage)
    options = {"model": espcn, "axes": "CYX", "intensity_range": [(0, 5000)], "precision": "fp64"}
    with pytest.raises(UnreadableImageError, match=r"c/0/1/2 .*`skip_bad`"):
        upscale_file(path, target, **options)
    assert not target.exists()
    if suffix == ".ome.zarr":
        resumed = {"resume": True} if target.with_name(".out.ome.zarr.unfinished").exists() else {}
        with pytest.raises(UnreadableImageError, match=r"c/0/1/2 .*`skip_bad`"):
            upscale_file(path, target, **options, **resumed)
    with pytest.warns(SuperResWarning, match="2 chunks of the input are missing or damaged"):
        upscale_file(path, target, skip_bad=True, overwrite=True, **options)
    found = read_image(target)
    listed = json.loads(target.with_name(f"{target.name}.provenance.json").read_text())["input"]["bad_chunks"]
    assert [name.split(" ")[0] for name in listed] == names
    filled = data.copy()
    for c, y, x in corners:
        filled[c, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16] = 7
    expected = upscale(filled, espcn, axes="CYX", intensity_range=[(0, 5000)], precision="fp64")
    assert np.array_equal(np.asarray(found.data), expected.data)


def test_a_batch_goes_on_after_a_bad_file(espcn, tmp_path):
    image = Image.from_array(np.random.default_rng(0).integers(0, 99, (2, 32, 32)).astype(np.uint16), "CYX")
    source = write_image(image, tmp_path / "in.ome.zarr")
    path, _ = spoiled(image, tmp_path, [(0, 0, 0)], "missing")
    outcomes = upscale_files([path, source], tmp_path / "out", model=espcn, axes="CYX")
    assert [o.status for o in outcomes] == ["failed", "done"]
    assert "c/0/0/0" in outcomes[0].message
