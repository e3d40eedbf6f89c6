"""A stack becomes isotropic: checks before, record after; and better than interpolation."""

import numpy as np
import pytest
import torch
from helpers.scenes.thick_slices import make_specimen, make_stack

from napari_superres import Image, isotropic, read_image, upscale, upscale_file, write_image
from napari_superres.errors import OutputExistsError, SuperResWarning, TrainingError
from napari_superres.models import Model, ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.probes.halo import measure_reach
from napari_superres.training.isotropic import isotropic_file, learn
from napari_superres.training.isotropic.checks import find_refusal, interleaved_shift, notes, structure_ratio
from napari_superres.training.isotropic.geometry import find_geometry
from napari_superres.training.isotropic.stack import read_pixels

pytestmark = pytest.mark.filterwarnings("ignore:Only 4 of:napari_superres.errors.SuperResWarning")


def pixels_of(image, axis="Z"):
    return read_pixels(image, axis)


def geometry_of(image, axis="Z"):
    return find_geometry(image, axis=axis, profile="auto", thickness=None, spacing=None)


@pytest.mark.parametrize("scale", [(3, 1, 1), (1, 2, 1), (1, 1, 4)])
def test_the_network_is_the_mean_of_its_passes_over_both_families_of_planes(scale):
    torch.manual_seed(0)
    network = build("orthogonal", {"scale": scale, "blocks": 1, "features": 4}).double().eval()
    torch.nn.init.normal_(network.planes.tail[0].weight)
    x = torch.rand(2, 1, 5, 6, 7, dtype=torch.float64)
    axis = int(np.argmax(scale))
    expected = 0
    for through in {0, 1, 2} - {axis}:
        passes = []
        for index in range(x.shape[2 + through]):
            plane = x.select(2 + through, index)
            left = [a for a in range(3) if a != through]
            is_second = left.index(axis) == 1
            plane = plane.transpose(2, 3) if is_second else plane
            result = network.planes(plane)
            passes.append(result.transpose(2, 3) if is_second else result)
        expected = expected + torch.stack(passes, dim=2 + through) / 2
    with torch.no_grad():
        assert float((network(x) - network.interpolation(x) - expected).abs().max()) < 1e-12


def test_the_halo_is_measured_and_tiles_do_not_show():
    torch.manual_seed(0)
    network = build("orthogonal", {"scale": [2, 1, 1], "blocks": 1, "features": 4}).eval()
    torch.nn.init.normal_(network.planes.tail[0].weight)
    reach = measure_reach(network, (2, 1, 1))
    assert (
        network.halo == reach.halo == (10, 5, 5)
    )  # along the coarse axis that of the area spline, else of five convolutions
    card = ModelCard(name="n", architecture="orthogonal", scale=(2, 1, 1), halo=reach.halo, intensity="none")
    volume = np.random.default_rng(0).normal(size=(30, 22, 24))
    whole, tiled = (
        np.asarray(upscale(Image.from_array(volume, "ZYX"), Model(card, network), tile=t, precision="fp64").data)
        for t in ([30, 22, 24], [23, 14, 15])
    )
    assert np.abs(whole - tiled).max() <= 1e-12 * np.ptp(whole)


def test_the_result_is_finer_lies_on_the_stack_and_says_how_it_was_made(stack, few_steps):
    result = isotropic(stack, force=True, seed=3)
    assert result.shape == (45, 56, 54)
    assert np.allclose(result.pixel_size, 1)
    assert result.origin[0] == pytest.approx(stack.origin[0] - 1)
    made = result.metadata["provenance"]["model"]
    assert len(made["sha256"]) == 64
    facts = made["learnt_from_the_image"]
    assert (facts["profile"], facts["width"], facts["seed"], facts["steps"]) == ("box", 1.0, 3, 4)
    checks = facts["gain_on_planes"], facts["gain_one_octave_up"]
    assert facts["predicted_gain"] == pytest.approx(np.mean(checks), abs=0.01)
    again = isotropic(stack, force=True, seed=3)
    assert again.metadata["provenance"]["model"]["sha256"] == made["sha256"]
    assert np.array_equal(again.data, result.data)
    assert isotropic(stack, force=True).metadata["provenance"]["model"]["sha256"] != made["sha256"]


def test_channels_and_time_share_one_network_and_missing_pixels_stay_missing(specimen, few_steps):
    thick = 100 + np.asarray(make_stack(specimen).data)  # far from 0, where values are cut
    data = np.stack([np.stack([thick, 5 * thick + 7])] * 2)
    data[0, :, 4, 10:20, 10:20] = np.nan
    image = Image.from_array(data, "TCZYX", pixel_size=(3.0, 1.0, 1.0))
    with pytest.warns(SuperResWarning, match="NaN or infinite"):
        result = np.asarray(isotropic(image, force=True).data)
    assert result.shape == (2, 2, 45, 56, 54)
    assert np.isnan(result).sum() == 2 * 3 * 100
    assert np.allclose(result[1, 1], 5 * result[1, 0] + 7, atol=0.5)


def test_colours_and_whole_numbers_with_missing_pixels(stack, few_steps):
    grey = np.clip(np.asarray(stack.data), 1, 255).astype(np.uint8)
    grey[:, :3, :3] = 255
    colours = Image.from_array(np.stack([grey, grey, grey], axis=-1), "ZYXS", pixel_size=stack.pixel_size)
    missing = Image.from_array(grey, "ZYX", pixel_size=stack.pixel_size).replace(no_data=(0, 0))
    for image in (colours, missing):
        assert pixels_of(image).saturated == pytest.approx(np.mean(grey == 255))
    with pytest.warns(SuperResWarning, match="are saturated"):
        assert isotropic(colours, force=True).shape == (45, 56, 54, 3)


def test_a_stated_spacing_is_that_of_the_result(stack, tmp_path, few_steps):
    wrong = stack.with_pixel_size((1.3, 1.0, 1.0), "millimeter")
    with pytest.warns(SuperResWarning, match="3 apart by `spacing`, but the file says 1.3"):
        result = isotropic(wrong, force=True, spacing=3.0)
    assert result.shape == (45, 56, 54)
    assert np.allclose(result.pixel_size, 1)
    write_image(wrong, tmp_path / "wrong.nii.gz")
    with pytest.warns(SuperResWarning, match="3 apart by `spacing`"):
        isotropic_file(tmp_path / "wrong.nii.gz", tmp_path / "right.nii.gz", force=True, spacing=3.0, thickness=3.0)
    right = read_image(tmp_path / "right.nii.gz")
    assert np.allclose(right.pixel_size, 1, atol=1e-4)
    assert set(right.units.values()) == {"millimeter"}


def test_another_axis(specimen, few_steps):
    thick = np.moveaxis(np.asarray(make_stack(specimen).data), 0, 2)
    result = isotropic(Image.from_array(thick, "ZYX", pixel_size=(1.0, 1.0, 3.0)), axis="X", force=True)
    assert result.shape == (56, 54, 45)


def test_a_training_that_was_cut_short_is_no_verdict_on_the_stack(stack, few_steps):
    with pytest.raises(TrainingError, match=r"^Only 4 of 600 steps were done in time, .* Set more `minutes`"):
        isotropic(stack)


def test_a_gain_within_its_error_is_refused_and_interpolation_offered(stack, few_steps, monkeypatch):
    monkeypatch.setattr(learn, "STEPS", 4)
    monkeypatch.setattr(learn, "gain_along", lambda *_: 0.199)
    monkeypatch.setattr(learn, "gain_on_planes", lambda *_: 0.199)
    with pytest.raises(TrainingError, match=r"0\.19 dB, is within"):
        isotropic(stack)


def test_the_remedy_of_a_small_gain_is_interpolation(stack, few_steps, monkeypatch):
    monkeypatch.setattr(learn, "STEPS", 4)
    with pytest.raises(TrainingError, match=r"within the error of the prediction.*area-spline-x3x1x1.*`force`"):
        isotropic(stack)


def test_the_model_of_a_file_is_kept_and_suits_other_stacks(stack, tmp_path, few_steps):
    source, other = tmp_path / "thick.ome.tif", tmp_path / "other.ome.tif"
    write_image(stack, source)
    write_image(make_stack(make_specimen(seed=1)), other)
    target, kept = tmp_path / "thin.ome.zarr", tmp_path / "thin.isotropic.safetensors"
    learnt = []
    assert isotropic_file(source, target, learnt=learnt.append, force=True) == target
    assert "the truth than interpolation" in learnt[0].verdict
    expected = upscale(stack, kept)
    assert np.allclose(read_image(target).data, expected.data, atol=1e-3)
    upscale_file(other, tmp_path / "other_thin.ome.zarr", model=kept)
    with pytest.raises(OutputExistsError):
        isotropic_file(source, target, learnt=learnt.append)
    assert len(learnt) == 1
    isotropic_file(source, target, resume=True, learnt=learnt.append)
    assert len(learnt) == 1


def test_layers_and_stacks_of_few_slices_are_refused_before_training(specimen):
    layers = np.repeat(np.random.default_rng(0).random(15), 3)[:, None, None] * 3000 + specimen
    layered = make_stack(layers)
    refusal = find_refusal(pixels_of(layered), geometry_of(layered))
    assert refusal is not None
    assert "layered" in refusal.reason
    for count in (1, 2, 4):
        few = make_stack(specimen[: 3 * count])
        assert "too few" in find_refusal(pixels_of(few), geometry_of(few)).reason
        with pytest.raises(TrainingError, match="too few"):
            isotropic(few, force=True)
    small = make_stack(specimen[:, :14, :14])
    assert "too small" in find_refusal(pixels_of(small), geometry_of(small)).reason
    flat = make_stack(np.ones_like(specimen))
    assert "equal" in find_refusal(pixels_of(flat), geometry_of(flat)).reason
    empty = make_stack(np.full_like(specimen, np.nan))
    assert "NaN" in find_refusal(pixels_of(empty), geometry_of(empty)).reason


def test_an_isotropic_specimen_is_not_refused(stack):
    assert find_refusal(pixels_of(stack), geometry_of(stack)) is None
    assert 0.6 < structure_ratio(pixels_of(stack).samples, 3) < 1.4
    assert list(notes(pixels_of(stack))) == []


def test_interleaved_motion_bleaching_and_saturation_are_said(stack):
    data = np.asarray(stack.data)
    moved = np.array(make_stack(make_specimen(sigma=4.0)).data)
    moved[1::2] = np.roll(moved[1::2], 10, axis=2)
    assert "Odd and even" in next(notes(pixels_of(stack.replace(data=moved))))
    faded = data * np.linspace(1, 0.3, len(data), dtype=np.float32)[:, None, None]
    assert "Brightness changes" in next(notes(pixels_of(stack.replace(data=faded))))
    bright = np.minimum(data, 250).astype(np.uint8)
    saturated = np.where(bright > 200, np.uint8(255), bright)
    assert any("saturated" in note for note in notes(pixels_of(stack.replace(data=saturated))))


@pytest.mark.parametrize(("share", "words"), [(0.1, "brighter"), (-0.3, "darker"), (0.0, "")])
def test_slices_that_are_bright_in_turn_are_said(stack, share, words):
    values = np.array(stack.data)
    values[1::2] *= 1 + share
    said = [note for note in notes(pixels_of(stack.replace(data=values))) if "slices are" in note]
    assert [words in note for note in said] == ([True] if words else [])


def test_a_shift_between_odd_and_even_slices_is_measured_and_a_drift_is_none():
    still = np.array(make_stack(make_specimen(sigma=2.0)).data)
    assert interleaved_shift(still) == 0
    for pixels in (1, 4):
        moved = still.copy()
        moved[1::2] = np.roll(moved[1::2], pixels, axis=2)
        assert interleaved_shift(moved) == pytest.approx(pixels, abs=0.2)
    drifting = np.stack([np.roll(plane, i, axis=1) for i, plane in enumerate(still)])
    assert interleaved_shift(drifting) == 0


def test_a_stack_that_moved_between_passes_is_not_called_layered():
    stack = make_stack(make_specimen(sigma=2.0))
    moved = np.array(stack.data)
    moved[1::2] = np.roll(moved[1::2], 5, axis=2)
    image = stack.replace(data=moved)
    refusal = find_refusal(pixels_of(image), geometry_of(image))
    assert refusal is not None
    assert "odd slices lie 5.0 pixels beside even ones" in refusal.reason


@pytest.mark.parametrize("sigma", [1.4, 4.0])
def test_fading_and_flickering_slices_are_not_called_layered(sigma):
    stack = make_stack(make_specimen((75, 56, 54), sigma=sigma))
    index = np.arange(25)[:, None, None]
    data = np.asarray(stack.data) + np.float32(150)
    faded, flickering = (
        stack.replace(data=(data * change).astype(np.float32))
        for change in (np.exp(-index / 8), np.where(index % 2, 1.15, 1.0))
    )
    assert find_refusal(pixels_of(faded), geometry_of(faded)) is None
    assert "Brightness changes" in next(notes(pixels_of(faded)))
    refusal = find_refusal(pixels_of(flickering), geometry_of(flickering))
    if sigma == 4.0:
        assert "odd slices are brighter" in refusal.reason
    assert refusal is None or "layered" not in refusal.reason


def test_the_frame_of_a_cropped_field_is_no_structure(stack):
    frame = np.pad(np.asarray(stack.data), [(0, 0), (20, 20), (20, 20)])
    image = Image.from_array(frame, "ZYX", pixel_size=stack.pixel_size)
    assert find_refusal(pixels_of(image), geometry_of(image)) is None


@pytest.mark.slow
def test_it_is_better_than_interpolation_as_it_predicts():
    specimen = make_specimen((96, 112, 108), sigma=1.2)
    stack = make_stack(specimen)
    result = isotropic(stack, minutes=60)
    base = upscale(stack, "area-spline-x3x1x1")
    errors = [np.mean((np.asarray(i.data)[3:-3] - specimen[3:-3]) ** 2) for i in (base, result)]
    gain = 10 * np.log10(errors[0] / errors[1])
    assert gain > 1
    assert result.metadata["provenance"]["model"]["learnt_from_the_image"]["predicted_gain"] < gain + 1
