"""The coarse axis of a stack, the factor to isotropic voxels, and the profile of its slices."""

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.errors import SettingsError
from napari_superres.training.isotropic.geometry import find_geometry
from napari_superres.training.isotropic.profile import SliceProfile

DEFAULTS = {"axis": "Z", "profile": "auto", "thickness": None, "spacing": None}


def image_of(pixel_size=(3.0, 1.0, 1.0), axes="ZYX", **options):
    return Image.from_array(np.zeros([8] * len(axes), np.uint8), axes, pixel_size=pixel_size, **options)


def find(image, **options):
    return find_geometry(image, **{**DEFAULTS, **options})


@pytest.mark.parametrize(
    ("profile", "scale", "weights", "margin"),
    [
        (SliceProfile(), 3, [1 / 3] * 3, 0),
        (SliceProfile("box", 0.5), 4, [0, 0.5, 0.5, 0], 0),
        (SliceProfile("box", 1.5), 2, [1 / 6, 1 / 3, 1 / 3, 1 / 6], 1),
    ],
)
def test_weights_of_touching_slices_gaps_and_overlaps(profile, scale, weights, margin):
    found, before = profile.taps(scale)
    assert np.allclose(found, weights, atol=1e-7)
    assert before == margin


@pytest.mark.parametrize("scale", [2, 3, 5, 8])
@pytest.mark.parametrize("width", [0.5, 1.0, 1.7])
def test_the_width_of_a_gaussian_is_that_at_half_maximum(scale, width):
    weights, margin = SliceProfile("gaussian", width).taps(scale)
    at = np.arange(-margin, scale + margin) - (scale - 1) / 2
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    peak = np.exp(-4 * np.log(2) * (at / (width * scale)) ** 2)
    assert np.allclose(weights, peak / peak.sum(), atol=1e-6)


def test_thickness_and_spacing():
    geometry = find(image_of(), thickness=2.4)
    assert (geometry.factor, geometry.scale, geometry.profile.kind) == (3, (3, 1, 1), "box")
    assert geometry.profile.width == pytest.approx(0.8)
    assert find(image_of(), spacing=4.0).factor == 4
    stated = image_of(metadata={"slice_thickness": 4.5})
    assert find(stated).profile == SliceProfile("box", 1.5)
    assert find(stated, thickness=3.0).profile.width == 1
    assert find(image_of((1.0, 1.0, 5.0)), axis="X").scale == (1, 1, 5)
    assert find(image_of(), profile="gaussian").profile.kind == "gaussian"


def test_a_spacing_that_is_not_exactly_isotropic_is_stated():
    (note,) = find(image_of((3.3, 1.0, 1.0))).notes
    assert "1.1, and 1 across" in note
    assert find(image_of()).notes == ()
    (note,) = find(image_of(), spacing=4.0).notes
    assert "4 apart by `spacing`, but the file says 3. The result's pixel size follows `spacing`" in note


def beads_psf(axial, lateral, axes="ZYX"):
    """Return a Gaussian of these full widths at half maximum, in micrometres, on pixels of 0.1."""
    grids = np.meshgrid(*(0.1 * np.arange(-20, 21) for _ in axes), indexing="ij")
    widths = {"Z": axial, "Y": lateral, "X": lateral}
    power = sum((g / widths[a]) ** 2 for g, a in zip(grids, axes, strict=True))
    return Image.from_array(np.exp(-4 * np.log(2) * power), axes, pixel_size=0.1)


def test_auto_is_the_gaussian_by_which_a_measured_psf_is_longer_than_wide():
    stack = image_of((0.6, 0.2, 0.2))
    profile = find(stack, psf=beads_psf(1.0, 0.6)).profile
    assert profile.kind == "gaussian"
    assert profile.width == pytest.approx(0.8 / 0.6, rel=0.02)  # 0.8: with 0.6 across, as wide as 1.0
    nanometres = image_of((600.0, 200.0, 200.0), unit="nanometer")
    assert find(nanometres, psf=beads_psf(1.0, 0.6)).profile.width == pytest.approx(0.8 / 0.6, rel=0.02)
    assert find(stack, psf=beads_psf(0.6, 0.6)).profile.width == 0.25  # no longer than wide


@pytest.mark.parametrize(
    ("options", "message"), [({"thickness": 1.0}, "of its own width"), ({"profile": "box"}, "of its own width")]
)
def test_a_psf_that_contradicts_other_options_is_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        find(image_of((0.6, 0.2, 0.2)), psf=beads_psf(1.0, 0.6), **options)


def test_a_file_does_not_state_the_width_along_z():
    with pytest.raises(SettingsError, match="must be measured on beads here, got 'metadata'"):
        find(image_of((0.6, 0.2, 0.2)), psf="metadata")


def test_a_psf_of_a_plane_has_no_axial_width():
    with pytest.raises(SettingsError, match="is a plane"):
        find(image_of((0.6, 0.2, 0.2)), psf=beads_psf(1.0, 0.6, "YX"))


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (image_of((1.0, 1.0), "YX"), {}, "only a stack"),
        (image_of(None), {}, "does not say how far"),
        (image_of((1.1, 1.0, 1.0)), {}, "got 1.1 times"),
        (image_of((11.0, 1.0, 1.0)), {}, "got 11 times"),
        (image_of((3.0, 1.0, 1.2)), {}, "must be square"),
        (image_of(), {"thickness": 0.0}, "`thickness` must be above 0"),
        (image_of(), {"spacing": np.nan}, "`spacing` must be above 0"),
        (image_of(), {"thickness": 20.0}, "4 times as thick"),
        (image_of(), {"axis": "T"}, "`axis` must be"),
        (image_of(), {"profile": "sinc"}, "`profile` must be"),
    ],
)
def test_refused(image, options, message):
    with pytest.raises(SettingsError, match=message):
        find(image, **options)


def test_turned_stacks_are_fine_and_sheared_ones_are_refused():
    turn = np.deg2rad(20)
    turned = np.diag([3.0, 1.0, 1.0, 1.0])
    turned[:2, :2] = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ turned[:2, :2]
    assert find(image_of(None, affine=turned)).factor == 3
    sheared = np.diag([3.0, 1.0, 1.0, 1.0])
    sheared[1, 0] = 0.5
    with pytest.raises(SettingsError, match="must be perpendicular"):
        find(image_of(None, affine=sheared))


def test_only_an_isotropic_stack_needs_nothing():
    for ratio, remedy in ((1.0, "Nothing needs"), (1.4, "Use `resample"), (0.5, "Check `pixel_size`")):
        image = Image.from_array(np.zeros((8, 8, 8), np.float32), "ZYX", pixel_size=(ratio, 1.0, 1.0))
        with pytest.raises(SettingsError, match=remedy):
            find_geometry(image, axis="Z", profile="auto", thickness=None, spacing=None)
