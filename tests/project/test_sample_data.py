import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from napari_superres.degradation import degrade
from napari_superres.evaluation.registration.match import match
from napari_superres.io import read_image

FOLDER = Path(__file__).resolve().parents[2] / "sample_data"
ENTRIES = json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))
KEYS = {
    "name",
    "title",
    "modality",
    "lr",
    "hr",
    "model",
    "scale",
    "license",
    "origin",
    "pixel_size",
    "unit",
    "degradation",
}

every_sample = pytest.mark.parametrize("entry", ENTRIES, ids=[e["name"] for e in ENTRIES])


def test_the_samples_are_few_and_small():
    assert 3 <= len(ENTRIES) <= 4
    assert {"fluorescence", "photograph"} < {e["modality"] for e in ENTRIES}
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 4_000_000
    named = {e[key] for e in ENTRIES for key in ("lr", "hr")}
    assert {p.name for p in FOLDER.iterdir() if p.is_file()} == named | {"README.md", "samples.json", "make_samples.py"}


@every_sample
def test_the_files_are_those_of_the_readme(entry):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(entry) >= KEYS
    for key in ("lr", "hr"):
        digest = hashlib.sha256((FOLDER / entry[key]).read_bytes()).hexdigest()
        assert entry[f"{key}_sha256"] == digest
        assert f"{digest}  {entry[key]}" in readme
    for fact in ("title", "license", "origin", "degradation"):
        assert entry[fact] in readme


@every_sample
def test_the_partner_lies_on_its_reference(entry):
    lr, hr = (read_image(FOLDER / entry[key]) for key in ("lr", "hr"))
    scale = entry["scale"]
    assert lr.axes == hr.axes == entry["axes"]
    for axis in hr.axes:
        factor = scale if axis in "YX" else 1
        assert hr.size(axis) == factor * lr.size(axis)
        assert axis not in "YX" or hr.size(axis) % 12 == 0
    if entry["pixel_size"] is None:
        assert not hr.has_pixel_size
        return
    assert hr.pixel_size == pytest.approx(entry["pixel_size"], rel=1e-6)
    assert {hr.units[a] for a in hr.spatial} == {entry["unit"]}
    # Reducing the reference by the sample's own factor leads to the partner's grid, in the file.
    again = degrade(hr, scale)
    assert np.allclose(lr.affine, again.affine, atol=1e-5 * max(hr.pixel_size))
    assert match(lr, again).notes == ()


@every_sample
def test_the_partner_shows_the_same(entry):
    lr, hr = (read_image(FOLDER / entry[key]) for key in ("lr", "hr"))
    small = np.asarray(degrade(hr, entry["scale"]).data, dtype=float)
    partner = np.asarray(lr.data, dtype=float)
    assert lr.dtype == hr.dtype
    assert np.corrcoef(small.ravel(), partner.ravel())[0, 1] > 0.95
    assert partner.mean() == pytest.approx(small.mean(), rel=0.01)
