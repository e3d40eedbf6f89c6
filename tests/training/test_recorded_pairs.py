"""Recorded pairs: names match, shifts are found and corrected, intensities share one scale."""

import numpy as np
import pytest
from scipy import ndimage

from napari_superres import Image, load_model, write_image
from napari_superres.core.binning import bin_mean
from napari_superres.errors import TrainingError
from napari_superres.training import make_recipe, train
from napari_superres.training.images.recorded_pairs import read_pairs


def scene(seed, size=120):
    return ndimage.gaussian_filter(np.random.default_rng(seed).random((size, size)), 2.0) * 4000


def recorded(folder, *, shift=(0, 0), count=3, gain=1.0, offset=0.0, stack=False):
    """Write pairs whose high-resolution images are shifted by `shift` of their pixels."""
    for name in ("lr", "hr"):
        (folder / name).mkdir()
    for i in range(count):
        wide = scene(i)
        high = wide[20:100, 20:100]
        moved = wide[20 + shift[0] : 100 + shift[0], 20 + shift[1] : 100 + shift[1]]
        low = bin_mean(high, (2, 2))
        pair = {"lr": low, "hr": gain * moved + offset}
        for name, values in pair.items():
            pixels = (np.stack([values, values[::-1]]) if stack else values).astype(np.float32)
            write_image(Image.from_array(pixels, "ZYX" if stack else "YX"), folder / name / f"{i}.tif")
    return folder / "lr", folder / "hr"


@pytest.mark.parametrize("stack", [False, True])
def test_pairs_are_on_one_scale_of_intensities(stack, tmp_path):
    pairs = read_pairs(*recorded(tmp_path, gain=3.0, offset=-50.0, stack=stack), 2).images
    assert [len(fields) for fields in pairs] == [2 if stack else 1] * 3
    for field in (f for fields in pairs for f in fields):
        assert field.hr.shape == (80, 80)
        np.testing.assert_allclose(bin_mean(field.hr, (2, 2)), field.lr, atol=1e-4)
        assert -0.2 < field.lr.min() < field.lr.max() < 1.2


@pytest.mark.parametrize("shift", [(3, 0), (-4, 2), (1, -7)])
def test_pairs_are_moved_onto_each_other(shift, tmp_path):
    low, high = recorded(tmp_path, shift=shift)
    for (field,) in read_pairs(low, high, 2, register=True).images:
        assert field.hr.shape == tuple(2 * n for n in field.lr.shape)
        np.testing.assert_allclose(bin_mean(field.hr, (2, 2)), field.lr, atol=0.02)


def test_pairs_that_lie_apart_are_refused_with_their_distance(tmp_path):
    low, high = recorded(tmp_path, shift=(6, -2))
    with pytest.raises(TrainingError, match=r"0: the pair lies 3.0, -1.0 low-resolution pixels apart .*`register`"):
        read_pairs(low, high, 2)


def test_pairs_that_do_not_match(tmp_path):
    low, high = recorded(tmp_path)
    with pytest.raises(TrainingError, match=r"the shape \(120, 120\) at scale 3, got YX \(80, 80\)"):
        read_pairs(low, high, 3)
    write_image(Image.from_array(scene(9, 40).astype(np.float32), "YX"), low / "alone.tif")
    with pytest.raises(TrainingError, match=r"these have none: alone\. Rename or remove"):
        read_pairs(low, high, 2)
    write_image(Image.from_array(scene(77, 80).astype(np.float32), "YX"), high / "alone.tif")
    with pytest.raises(TrainingError, match="alone: the two images show nothing in common"):
        read_pairs(low, high, 2)
    write_image(Image.from_array(np.ones((80, 80), np.float32), "YX"), high / "alone.tif", overwrite=True)
    with pytest.raises(TrainingError, match="alone is constant"):
        read_pairs(low, high, 2)
    write_image(Image.from_array(np.full((80, 80), np.nan, np.float32), "YX"), high / "alone.tif", overwrite=True)
    with pytest.raises(TrainingError, match="alone holds NaN"):
        read_pairs(low, high, 2)


def test_a_shift_of_a_pixel_is_spoken_of(tmp_path):
    low, high = recorded(tmp_path, shift=(2, 0), count=1)
    (note,) = read_pairs(low, high, 2).notes
    assert note.startswith("0: the pair lies 1.0, 0.0 low-resolution pixels apart")
    assert "`register`" in note


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.filterwarnings("ignore:the model is no better than bicubic")
def test_a_model_of_pairs(tmp_path):
    pytest.importorskip("lightning", reason="training needs Lightning")
    low, high = recorded(tmp_path, count=4)
    recipe = make_recipe("mine", [high], architecture="espcn", scale=2, low=low, card={"license": "CC0-1.0"})
    path = train(recipe, tmp_path, tmp_path / "mine.safetensors", steps=5)
    card = load_model(path).card
    assert card.degradation == "none: pairs recorded by instruments"
    assert card.license == "CC0-1.0"
    assert np.isfinite(card.scores["validation"]["psnr"])


def test_pairs_in_colour_teach_their_luma(tmp_path):
    for name in ("lr", "hr"):
        (tmp_path / name).mkdir()
    high = np.clip(np.stack([scene(i) / 16 for i in range(3)], axis=-1), 0, 255)
    low = np.stack([bin_mean(high[..., i], (2, 2)) for i in range(3)], axis=-1)
    for name, values in (("lr", low), ("hr", high)):
        write_image(Image.from_array(np.rint(values).astype(np.uint8), "YXS"), tmp_path / name / "a.png")
    ((field,),) = read_pairs(tmp_path / "lr", tmp_path / "hr", 2).images
    assert (field.lr.shape, field.hr.shape) == ((60, 60), (120, 120))
    np.testing.assert_allclose(bin_mean(field.hr, (2, 2)), field.lr, atol=0.02)
