"""``superres methods``."""

import shutil

import pytest
from helpers.scenes import check_refusal

from napari_superres import io, read_image


@pytest.mark.parametrize("given", ["result", "record", "copy without its record"])
def test_the_methods_of_a_result(superres, lr, tmp_path, given):
    result = tmp_path / "up.ome.tif"
    assert superres("upscale", lr, "-o", result, "-m", "lanczos-x2", "-q").code == 0
    file = {"result": result, "record": io.sidecar_path(result)}.get(given, tmp_path / "copy.ome.tif")
    if not file.exists():
        shutil.copy(result, file)
    done = superres("methods", file)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("Images were computed with superres (napari-superres-torch ")
    assert "by interpolation (lanczos-x2)" in lines[0]
    assert read_image(result).metadata["provenance"]["input"]["sha256"] in lines[0]
    assert "[x] Cite the method and the program: done. See the references." in done.out
    assert "[ ] Give example or validation data: you must add." in done.out
    assert "[-] Give access to the model: not applicable." in done.out


def test_what_has_no_record(superres, ref, tmp_path):
    check_refusal(superres("methods", ref), "0.tif has no record of how it was made", ".provenance.json")
    check_refusal(superres("methods", tmp_path / "gone.tif"), "gone.tif")
    (tmp_path / "x.tif.provenance.json").write_text('{"model": 3}')
    check_refusal(superres("methods", tmp_path / "x.tif.provenance.json"), "does not say how")
    (tmp_path / "y.tif.provenance.json").write_text("[")
    check_refusal(superres("methods", tmp_path / "y.tif.provenance.json"), "has no record")
