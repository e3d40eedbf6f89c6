"""``superres evaluate --maps``."""

import numpy as np
from helpers.scenes import check_refusal

from napari_superres import read_image, write_image
from napari_superres.evaluation import agreement_map, difference_map, residual_map, ssim_map
from napari_superres.io import WRITE_SUFFIXES


def test_maps_lie_on_the_result(superres, sr, ref, lr, tmp_path):
    folder = tmp_path / "maps"
    given = ("evaluate", sr, ref, "--lr", lr, "--baseline", "none", "--maps", folder)
    done = superres(*given)
    assert done.code == 0, done.err
    names = ("difference", "ssim", "agreement", "residual")
    assert done.err.splitlines() == [f"wrote {folder / f'0_{name}.ome.tif'}" for name in names]
    result, reference, low = read_image(sr), read_image(ref), read_image(lr)
    expected = {
        "difference": difference_map(result, reference),
        "ssim": ssim_map(result, reference),
        "agreement": agreement_map(result, reference),
        "residual": residual_map(result, low),
    }
    for name, image in expected.items():
        written, grid = read_image(folder / f"0_{name}.ome.tif"), low if name == "residual" else result
        np.testing.assert_array_equal(written.data, image.data)
        assert (written.axes, written.shape, written.units) == (grid.axes, grid.shape, grid.units)
        np.testing.assert_allclose(written.affine, grid.affine, atol=1e-9)

    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    check_refusal(superres(*given), "exists", "--overwrite")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert superres(*given, "--overwrite").code == 0


def test_maps_of_a_reference_that_is_registered_first(superres, sr, ref, tmp_path):
    true = read_image(ref)
    moved = write_image(true.replace(data=np.roll(np.asarray(true.data), (3, -2), axis=(0, 1))), tmp_path / "m.tif")
    done = superres("evaluate", sr, moved, "--register", "--maps", tmp_path, "--format", "nrrd")
    assert done.code == 0, done.err
    difference, plain = read_image(tmp_path / "0_difference.nrrd"), difference_map(read_image(sr), read_image(moved))
    assert np.nanstd(difference.data) < np.nanstd(plain.data) / 3


def test_maps_that_cannot_be_made(superres, sr, ref, lr, data, tmp_path):
    folder = tmp_path / "maps"
    done = superres("evaluate", sr, "--lr", lr, "--maps", folder)
    assert (done.code, [p.name for p in folder.glob("*.tif")]) == (0, ["0_residual.ome.tif"])
    for kind in ("sr", "ref"):
        (tmp_path / kind).mkdir()
        image = read_image(data / kind / "0.tif")
        write_image(image.replace(data=np.asarray(image.data)[:40]), tmp_path / kind / "small.tif")
    small = ("evaluate", tmp_path / "sr" / "small.tif", tmp_path / "ref" / "small.tif", "--data-range", "dtype")
    done = superres(*small, "--maps", folder)
    assert done.code == 0, done.err
    assert "no map of the agreement: " in done.err
    assert (folder / "small_ssim.ome.tif").exists()
    check_refusal(superres("evaluate", ref, "--lr", lr, "-m", "bicubic-x2", "--maps", folder), "--maps need a result")
    check_refusal(superres("evaluate", data / "sr", data / "ref", "--maps", folder), "single images")
    check_refusal(superres("evaluate", sr, ref, "--maps", folder, "--format", "xyz"), "cannot be written as .xyz")
    check_refusal(superres("evaluate", sr, ref, "--maps", lr), "maps need a folder")
    done = superres("evaluate", sr, ref, "--maps", tmp_path / "sr" / "small.tif" / "maps")
    assert "error: folder" in done.err
    assert "unexpected" not in done.err


def test_formats_without_floating_point_numbers_are_refused_first(superres, sr, ref, lr, tmp_path):
    trust = ("trust", lr, "-m", "bicubic-x2", "-o", tmp_path / "maps")
    for command in (("evaluate", sr, ref, "--maps", tmp_path / "maps"), trust):
        done = superres(*command, "--format", "png")
        suffixes = ", ".join(s for s in WRITE_SUFFIXES if s != ".png")
        check_refusal(done, f"maps cannot be written as .png. Use one of: {suffixes}.")
    assert not (tmp_path / "maps").exists()
