"""What replaces a file or folder has its permissions; what replaces a private file is private from its first byte."""

import os
import stat

import numpy as np
import pytest

from napari_superres import Image, upscale_file, write_image
from napari_superres.io import ZARR_SUFFIXES, sidecar_path, suffix
from napari_superres.storage.atomic import replacing, write_text

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions"),
    pytest.mark.filterwarnings("ignore:a.png does not hold the pixel size:UserWarning"),
]
ENDINGS = [".ome.tif", ".tif", ".ome.zarr", ".nii.gz", ".nrrd", ".mha", ".png"]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def image():
    image = Image.from_array(np.ones((9, 8), np.uint8), "YX", pixel_size=0.5, unit="millimeter")
    return image.replace(metadata={"provenance": {"model": "x"}})


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("private", [True, False])
def test_a_replaced_output_keeps_its_permissions(ending, private, image, tmp_path):
    target = write_image(image, tmp_path / f"a{ending}", allow_loss=True)
    modes = {target: 0o700 if target.is_dir() else 0o600, sidecar_path(target): 0o640}
    if not private:
        modes = {path: m | 0o066 for path, m in modes.items()}
    for path, wanted in modes.items():
        path.chmod(wanted)
    write_image(image, target, overwrite=True, allow_loss=True)
    assert {path: mode(path) for path in modes} == modes


def test_a_result_that_is_computed_in_boxes_keeps_its_permissions(image, tmp_path):
    source, target = write_image(image, tmp_path / "in.ome.zarr"), tmp_path / "out.ome.zarr"
    write_image(image, target)
    target.chmod(0o700)
    seen = set()

    def watch(_):
        seen.update(mode(p) for p in tmp_path.glob(".out*") if p.is_dir())

    upscale_file(source, target, model="bicubic-x2", overwrite=True, progress=watch)
    assert mode(target) == 0o700
    assert seen == {0o700}


def test_nobody_else_reads_what_replaces_a_private_file(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    target.chmod(0o600)
    with replacing(target) as (temporary,):
        temporary.write_text("new")
        assert mode(temporary) == 0o600
    assert (mode(target), target.read_text()) == (0o600, "new")
    with replacing(target):
        pass
    assert target.read_text() == "new", "nothing was written"
    write_text(target, "newer")
    assert mode(target) == 0o600


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_new_output_has_the_usual_permissions(ending, image, tmp_path):
    (tmp_path / "usual").write_text("")
    target = write_image(image, tmp_path / f"a{ending}", allow_loss=True)
    if suffix(target) not in ZARR_SUFFIXES:
        assert mode(target) == mode(tmp_path / "usual")
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []
