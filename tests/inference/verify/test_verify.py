"""`verify_result` on every kind of result, and with each of its parts exchanged."""

import json
import shutil

import numpy as np
import pytest
import torch

from napari_superres import Image, read_image, upscale_file, write_image
from napari_superres.errors import OutputExistsError, SettingsError
from napari_superres.inference import degrade_file, resample_file, verify_result
from napari_superres.io import sidecar_path
from napari_superres.models import ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.model_file import write_model


def image(axes="YX", shape=(40, 50), dtype=np.uint16, seed=0):
    values = np.random.default_rng(seed).random(shape) * 900
    return Image.from_array(values.astype(dtype), axes, pixel_size=None if "S" in axes else 0.2)


def make_model(path, seed=0):
    """Write a small network with random weights."""
    torch.manual_seed(seed)
    arguments = {"scale": [2, 2]}
    card = ModelCard(name=path.stem, architecture="espcn", arguments=arguments, scale=(2, 2), halo=(4, 4))
    return write_model(path, card, build("espcn", arguments).state_dict())


@pytest.fixture
def made(tmp_path):
    """Return an input and its result."""
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    source, target = write_image(image(), tmp_path / "in" / "cells.tif"), tmp_path / "out" / "cells_x2.ome.tif"
    upscale_file(source, target, model="bicubic-x2")
    return source, target


def states(found):
    return {check.subject: check.state for check in found.checks}


ALL = {"result": "yes", "input": "yes", "model": "yes", "pixels": "yes"}


@pytest.mark.parametrize(
    ("name", "axes", "shape", "dtype", "end"),
    [
        ("a.tif", "YX", (40, 50), np.uint16, ".ome.tif"),
        ("a.ome.tif", "TCZYX", (2, 2, 3, 20, 24), np.uint16, ".ome.tif"),
        ("a.ome.tif", "CYX", (2, 60, 70), np.float32, ".ome.zarr"),
        ("a.nii.gz", "ZYX", (4, 20, 30), np.int16, ".nii.gz"),
        ("a.png", "YXS", (30, 40, 3), np.uint8, ".png"),
    ],
    ids=["tiff", "five axes", "zarr", "nifti", "colour"],
)
def test_a_result_of_any_format_is_confirmed(tmp_path, name, axes, shape, dtype, end):
    source = write_image(image(axes, shape, dtype), tmp_path / name)
    target = tmp_path / f"result{end}"
    upscale_file(source, target, model="bicubic-x2")
    found = verify_result(target, seed=0)
    assert states(found) == ALL, found
    assert found.state == "yes"
    assert " is the output of " in str(found)


def test_a_network_in_a_region_with_channels_of_their_own(tmp_path):
    model = make_model(tmp_path / "net.safetensors")
    source = write_image(image("CYX", (2, 60, 64)), tmp_path / "a.ome.tif")
    target = tmp_path / "r.ome.tif"
    roi = {"Y": (5, 45), "X": (7, 60)}
    upscale_file(source, target, model={1: model, 0: "bicubic-x2"}, roi=roi, device="cpu")
    found = verify_result(target, model=None, seed=1)
    assert found.state == "not known"  # the network is in no library
    assert [c.state for c in found.checks if c.subject == "pixels"] == ["not known", "yes"]
    upscale_file(source, target, model=model, roi=roi, device="cpu", overwrite=True)
    assert verify_result(target, model=model, seed=1).state == "yes"


def test_files_are_found_by_digest_under_another_name(made, tmp_path):
    source, target = made
    moved = tmp_path / "deeper" / "elsewhere" / "renamed.tif"
    moved.parent.mkdir(parents=True)
    shutil.move(source, moved)
    assert states(verify_result(target))["input"] == "not known"
    for given in (moved, moved.parent):
        found = verify_result(target, inputs=[given])
        assert found.state == "yes", found
        assert "renamed.tif" in str(found)


def test_another_input_is_named(made, tmp_path):
    source, target = made
    source.unlink()
    other = write_image(image(seed=1), tmp_path / "other.tif")
    found = verify_result(target, inputs=[other])
    assert states(found) == {"result": "yes", "input": "no", "model": "yes", "pixels": "not known"}
    assert "other.tif is another file" in next(c.reason for c in found.checks if c.subject == "input")
    assert str(found).startswith("cells_x2.ome.tif is NOT the output of")


def test_changed_pixels_are_found_by_digest_and_by_tiles(made):
    _source, target = made
    record = sidecar_path(target).read_text("utf-8")
    result = read_image(target)
    values = np.asarray(result.data)
    write_image(result.replace(data=values + 3), target, overwrite=True)
    sidecar_path(target).write_text(record, "utf-8")
    found = verify_result(target, seed=0)
    assert states(found) == {**ALL, "result": "no", "pixels": "no"}
    assert "by up to 3" in next(c.reason for c in found.checks if c.subject == "pixels")


def test_a_copy_in_another_format_has_the_pixels_but_is_not_the_file(made, tmp_path):
    """Its record was written for the copy, so the digest fits; the pixels are the model's."""
    _source, target = made
    copy = write_image(read_image(target), tmp_path / "out" / "copy.ome.zarr")
    assert states(verify_result(copy, seed=0)) == ALL


def test_a_model_that_changed_is_denied(tmp_path):
    model = make_model(tmp_path / "net.safetensors")
    source = write_image(image(), tmp_path / "a.tif")
    target = tmp_path / "r.ome.tif"
    upscale_file(source, target, model=model, device="cpu")
    other = make_model(tmp_path / "other.safetensors", seed=5)
    found = verify_result(target, model=other)
    assert states(found)["model"] == "no"
    assert found.state == "no"


def test_the_chain_from_the_raw_image_is_followed(tmp_path):
    raw = write_image(image(shape=(80, 96)), tmp_path / "raw.ome.tif")
    small, low = tmp_path / "small.ome.tif", tmp_path / "low.ome.tif"
    resample_file(raw, small, pixel_size=0.25)
    degrade_file(small, low, scale=2, kernel="gaussian", psf_sigma=1.0, photons=100, seed=3)
    target = tmp_path / "result.ome.tif"
    upscale_file(low, target, model="bicubic-x2")
    found = verify_result(target, seed=0)
    assert found.state == "yes", found
    assert len(found.made_from) == 3
    assert "raw.ome.tif (resample)" in str(found)
    assert "100 % of the pixels are equal" in found.checks[-1].reason
    # A raw image that is another one is seen at the end of the chain.
    write_image(image(shape=(80, 96), seed=9), raw, overwrite=True)
    found = verify_result(target, seed=0, inputs=[raw])
    assert found.state == "no"
    assert [c.state for c in found.checks if c.file == "result.ome.tif"] == ["yes"] * 4
    assert [c.state for c in found.checks if c.file == "small.ome.tif"] == ["yes", "no", "not known"]


def test_a_step_replaces_nothing_unasked(tmp_path):
    raw = write_image(image(), tmp_path / "raw.ome.tif")
    other = tmp_path / "other.ome.tif"
    other.write_bytes(b"of somebody else")
    with pytest.raises(OutputExistsError):
        resample_file(raw, other, pixel_size=1)
    with pytest.raises(OutputExistsError):
        degrade_file(raw, other, scale=2)
    assert other.read_bytes() == b"of somebody else"


def test_a_step_that_was_not_what_its_record_says_is_denied(tmp_path):
    raw = write_image(image(), tmp_path / "raw.tif")
    low = tmp_path / "low.ome.tif"
    degrade_file(raw, low, scale=2)
    record = json.loads(sidecar_path(low).read_text("utf-8"))
    record["settings"]["psf_sigma"], record["settings"]["kernel"] = 2.0, "gaussian"
    sidecar_path(low).write_text(json.dumps(record), "utf-8")
    found = verify_result(low)
    assert states(found) == {"result": "yes", "input": "yes", "pixels": "no"}


def test_medical_names_stay_out(tmp_path):
    folder = tmp_path / "MILLER^ANNA"
    folder.mkdir()
    source = write_image(image("ZYX", (4, 20, 30), np.int16), folder / "MILLER_ANNA.nii.gz")
    target = folder / "MILLER_ANNA_x2.nii.gz"
    upscale_file(source, target, model="bicubic-x2")
    found = verify_result(target)
    assert found.state == "yes"
    assert "MILLER" not in repr(found) + str(found)


def test_without_a_record_nothing_is_claimed(made, tmp_path):
    source, target = made
    with pytest.raises(SettingsError, match="no record"):
        verify_result(source)
    with pytest.raises(SettingsError, match="tiles"):
        verify_result(target, tiles=0)
    record = json.loads(sidecar_path(target).read_text("utf-8"))
    del record["result"]["sha256"], record["input"]["sha256"]
    sidecar_path(target).write_text(json.dumps(record), "utf-8")
    found = verify_result(target)
    assert found.state == "not known"
    assert states(found) == {"result": "not known", "input": "not known", "model": "yes", "pixels": "not known"}
    record["model"] = "bicubic"
    sidecar_path(target).write_text(json.dumps(record), "utf-8")
    assert "damaged" in str([c.reason for c in verify_result(target).checks])


def test_a_small_image_is_computed_whole(made):
    """One pixel that was changed, with the new digest in the record, is found every time."""
    _source, target = made
    result = read_image(target)
    values = np.asarray(result.data).copy()
    values[41, 77] += 500
    write_image(result.replace(data=values), target, overwrite=True)
    found = verify_result(target, seed=0)
    assert states(found) == {**ALL, "pixels": "no"}
    assert "(all pixels)" in next(c.reason for c in found.checks if c.subject == "pixels")


def test_what_was_not_computed_is_said(tmp_path):
    source = write_image(image(shape=(200, 150)), tmp_path / "a.tif")
    target = tmp_path / "r.ome.tif"
    upscale_file(source, target, model="bicubic-x2")
    assert str(verify_result(target, tiles=20)).endswith("is the output of a.tif and the model bicubic-x2")
    sampled = verify_result(target, tiles=1, seed=0)
    assert str(sampled).endswith(", as far as 1.3 % of its pixels tell")


def test_a_changed_input_beside_the_true_one_is_mentioned(made, tmp_path):
    source, target = made
    (tmp_path / "true").mkdir()
    shutil.move(source, tmp_path / "true" / source.name)
    changed = write_image(image(seed=1), tmp_path / "out" / source.name)
    for given in ([], [changed]):
        found = verify_result(target, inputs=given, seed=0)
        assert found.state == "yes", found
        reason = next(c.reason for c in found.checks if c.subject == "input")
        assert reason.endswith("; cells.tif, found too, is another file")
