"""Training without clean images: what it estimates is the truth, and its model is better than its images."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_superres import Image, read_image, upscale, write_image
from napari_superres.cli.app import app
from napari_superres.degradation.instruments import Splits
from napari_superres.errors import SettingsError, TrainingError
from napari_superres.models import find_card
from napari_superres.training.images.fields_of_view import read_fields
from napari_superres.training.images.recorded_pairs import read_repeats
from napari_superres.training.recipes import find_start
from napari_superres.training.validation import score_fields

GAIN, OFFSET = 20.0, 100.0


def scene(seed, size=128):
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.random((size, size)), 3.0)
    return 2000 * ((blobs - blobs.min()) / np.ptp(blobs)) ** 2


def record(truth, seed):
    counts = np.random.default_rng(seed).poisson(truth / GAIN) * GAIN
    return Image.from_array((counts + OFFSET).astype(np.uint16), "YX")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return folders of first and second recordings, and the truths."""
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    truths = [scene(n) for n in range(4)]
    for n, truth in enumerate(truths):
        write_image(record(truth, n), first / f"{n}.ome.tif")
        write_image(record(truth, 50 + n), second / f"{n}.ome.tif")
    return first, second, truths


def test_the_estimated_score_is_that_against_the_truth(folders):
    """Of a network that returns its input: its error is the noise of the input, which is known."""
    first, _, truths = folders
    fields = [f for image in read_fields([first], channel="each").images for f in image]
    share = Splits().input_share
    found = score_fields(torch.nn.Identity(), fields, scale=(1, 1), instrument=Splits())["psnr"]
    spans = [np.ptp(np.percentile(np.asarray(read_image(p).data), [0.1, 99.9])) for p in sorted(first.iterdir())]
    known = [10 * np.log10(span**2 / (GAIN * t.mean() / share)) for span, t in zip(spans, truths, strict=True)]
    assert found == pytest.approx(np.mean(known), abs=0.6)


def test_repeats_teach_each_other(folders):
    first, second, truths = folders
    read = read_repeats(first, second, 1)
    assert [len(fields) for fields in read.images] == [2] * 4
    a, b = read.images[0]
    assert np.array_equal(a.hr, b.lr)
    span = np.ptp(np.percentile(np.asarray(read_image(first / "0.ome.tif").data), [0.1, 99.9]))
    assert a.target_variance == pytest.approx(GAIN * truths[0].mean() / span**2, rel=0.1)
    assert read_repeats(first, second, 2).images[0][0].lr.shape == (64, 64)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.parametrize("how", [[], ["--neighbours"], ["--repeats"]], ids=["splits", "neighbours", "repeats"])
def test_a_model_learns_to_denoise_from_noise_alone(folders, tmp_path, how):
    first, second, truths = folders
    target = tmp_path / "quiet.safetensors"
    arguments = ["train", "--hr", str(first), "--noisy", *how, *([str(second)] if how == ["--repeats"] else [])]
    arguments += [
        "--scale",
        "1",
        "--architecture",
        "edsr",
        "--steps",
        "150",
        "--license",
        "CC0",
        "-q",
        "-o",
        str(target),
    ]
    app(arguments, standalone_mode=False)
    card = find_card(target)
    assert card.scale == (1, 1)
    assert "noisy images" in card.degradation
    noisy = record(scene(9), 99)
    quiet = np.asarray(upscale(noisy, target).data, float) - OFFSET
    before, after = (np.square(v - scene(9)).mean() for v in (np.asarray(noisy.data, float) - OFFSET, quiet))
    assert after < 0.5 * before
    assert truths


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--repeats", "DIR"], "Use --noisy with them"),
        (["--noisy", "--photons", "5,9"], "as they are"),
        (["--noisy", "--repeats", "DIR", "--neighbours"], "no --neighbours"),
    ],
)
def test_options_that_do_not_fit_are_refused(folders, tmp_path, arguments, words):
    first, second, _ = folders
    given = [str(second) if a == "DIR" else a for a in arguments]
    with pytest.raises(SettingsError, match=words):
        app(["train", "--hr", str(first), *given, "-o", str(tmp_path / "m.safetensors")], standalone_mode=False)


@pytest.mark.parametrize(
    ("modality", "scale", "start"),
    [("fluorescence", 1, "fluo-x1"), ("fluorescence", (2, 2), "fluo-x2"), ("", 1, None), ("fluorescence", 5, None)],
)
def test_noisy_images_refine_the_shipped_model_of_their_kind(modality, scale, start):
    assert find_start(modality, scale) == start


def test_repeats_of_other_names_are_refused(folders, tmp_path):
    write_image(record(scene(0), 0), tmp_path / "other.ome.tif")
    with pytest.raises(TrainingError, match="needs a partner"):
        read_repeats(folders[0], tmp_path, 1)
