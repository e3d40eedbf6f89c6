"""Registration: known shifts, turns and deformations, found and undone; what cannot be registered."""

import sys

import numpy as np
import pytest

from napari_superres.core.grid import downscale_affine, make_affine
from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, MissingExtraError, SettingsError
from napari_superres.evaluation.metrics.full_reference import psnr
from napari_superres.evaluation.registration.register import register
from napari_superres.evaluation.registration.shifts import describe_deformation, local_shifts

SHIFT = np.array([-3.3, 2.7])


def scene(shape, to_world=None, *, field=None, count=None, seed=0, width=(3, 7)):
    """Blobs at fixed places of the world, seen on a grid; `field` is the part of it that they fill, in its units."""
    random = np.random.default_rng(seed)
    n = len(shape)
    to_world = np.eye(n + 1) if to_world is None else to_world
    field = np.array(shape if field is None else field)
    index = np.indices(shape, dtype=float).reshape(n, -1)
    place = to_world[:n, :n] @ index + to_world[:n, n:]
    out = np.zeros(place.shape[1])
    for _ in range(count or int(field.prod() / 300)):
        centre, sigma = random.uniform(-0.1, 1.1, n) * field, random.uniform(*width)
        near = np.flatnonzero(np.abs(place - centre[:, None]).max(axis=0) < 6 * sigma)
        away = place[:, near] - centre[:, None]
        out[near] += random.uniform(0.3, 1) * np.exp(-(away**2).sum(axis=0) / 2 / sigma**2)
    return out.reshape(shape)


def moved(shift):
    """A grid on which the scene appears displaced by a shift, in pixels."""
    matrix = np.eye(len(shift) + 1)
    matrix[:-1, -1] = -np.asarray(shift)
    return matrix


def turned(degrees, centre):
    """A grid on which the scene appears turned about a point, in the plane of the last two axes."""
    matrix, c, s = np.eye(len(centre) + 1), np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix[-3:-1, -3:-1] = [[c, -s], [s, c]]
    matrix[:-1, -1] = centre - matrix[:-1, :-1] @ np.asarray(centre)
    return matrix


def centroid(image):
    """World position of the brightness."""
    index = [(image.data * i).sum() / image.data.sum() for i in np.indices(image.shape)]
    return (image.affine @ [*index, 1])[:-1]


def image(data, **options):
    return Image.from_array(data, "ZYX"[-data.ndim :], **options)


@pytest.mark.parametrize(("noise", "within"), [(0, 0.005), (0.2, 0.1), (0.5, 0.2)])
def test_known_shift(noise, within):
    random = np.random.default_rng(1)
    still, away = scene((192, 200)), scene((192, 200), moved(SHIFT))
    both = [image(v + noise * random.normal(size=v.shape)) for v in (still, 7 * away + 100)]
    both[1] = both[1].replace(data=both[1].data + 6 * noise * random.normal(size=away.shape))
    found = register(*both)
    assert np.abs(found.pixels + SHIFT).max() < within
    assert found.correlation > found.correlation_before
    assert found.matrix is None
    assert found.unit == "pixel"
    assert found.shift == found.pixels


def test_score_after_registration():
    still, away = scene((150, 160)), scene((150, 160), moved(SHIFT))
    found = register(image(still), image(away))
    valid = np.isfinite(found.reference.data)
    assert valid.all()
    assert min(found.result.shape) > 140
    after = psnr(found.reference.data, found.result.data, data_range=1)
    assert after > psnr(away, still, data_range=1) + 30
    again = register(found.result, found.reference)
    assert again.pixels == (0, 0)
    assert np.array_equal(again.reference.data, found.reference.data), "no blur for nothing"


def test_whole_pixels_are_not_interpolated():
    both = (scene((120, 130)) * 60000).astype(np.uint16)
    result, reference = image(both[5:105, :100]), image(both[:100, 8:108])
    found = register(result, reference)
    assert np.allclose(found.pixels, (-5, 8), atol=0.05)
    assert found.reference.dtype == np.uint16
    assert found.reference.shape == (95, 92)
    assert np.array_equal(found.result.data, found.reference.data)
    assert found.result.origin == (0, 8)
    assert np.array_equal(found.result.affine, found.reference.affine)


def test_physical_units():
    result = image(scene((128, 128)), pixel_size=0.1, unit="um", origin=(5, 7))
    reference = image(scene((128, 128), moved(SHIFT)), pixel_size=100, unit="nm", origin=(5000, 7000))
    found = register(result, reference)
    assert found.unit == "micrometer"
    assert found.shift == pytest.approx(-SHIFT * 0.1, abs=0.0005)
    assert found.notes == ("the reference was interpolated by a cubic spline, once",)


def test_positions_that_explain_the_shift():
    grid = moved(SHIFT + np.array([20, -10]))
    result = image(scene((128, 128)), affine=np.eye(3))
    reference = image(scene((140, 130), grid, field=(128, 128)), affine=grid)
    found = register(result, reference)
    assert found.pixels == (0, 0)
    assert found.result.shape[0] > 108
    assert psnr(found.reference.data, found.result.data, data_range=1) > 60
    unplaced = image(scene((128, 128), grid), pixel_size=1)
    assert register(result, unplaced).pixels == pytest.approx(-SHIFT - (20, -10), abs=0.01)


def test_a_reference_that_lies_otherwise():
    """Flipped, transposed and turned: the matrix says so."""
    result = image(scene((120, 128)), affine=np.eye(3))
    data = scene((120, 128)).T[::-1]
    flipped = image(data, affine=np.array([[0, 1, 0], [-1.0, 0, 127], [0, 0, 1]]))
    found = register(result, flipped)
    assert np.allclose(found.reference.data, found.result.data, atol=1e-6)
    assert found.pixels == (0, 0)
    grid = turned(30, (60, 64))
    found = register(result, image(scene((120, 128), grid), affine=grid))
    assert found.pixels == (0, 0)
    valid = np.isfinite(found.reference.data)
    assert 0.7 < valid.mean() < 1
    assert np.abs(found.reference.data - found.result.data)[valid].max() < 0.01


def test_finer_reference():
    fine = make_affine((0.05, 0.05), (2, 3))
    coarse = downscale_affine(fine, (2, 2))
    result, reference = (
        image(scene(n, np.diag([20, 20, 1.0]) @ a, field=(200, 200), seed=2), affine=a, unit="um")
        for n, a in (((120, 120), coarse), ((240, 240), fine))
    )
    found = register(result, reference)
    assert found.shift == (0, 0)
    assert found.reference.shape == found.result.shape == (118, 118)
    assert np.array_equal(found.reference.affine, found.result.affine)
    assert psnr(found.reference.data, found.result.data, data_range=1) > 50
    stripes = 5.0 * (np.indices((240, 240)).sum(axis=0) % 2)
    striped = register(result, reference.replace(data=reference.data + stripes))
    assert np.abs(striped.reference.data - found.reference.data - 2.5).max() < 0.1, "no aliases"


def test_a_blob_stays_where_it_is():
    index = np.stack(np.indices((160, 160)), axis=-1)
    blob = np.exp(-((index - (70.3, 84.8)) ** 2).sum(axis=-1) / 2 / 8**2)
    fine = make_affine((0.05, 0.05), (2, 3))
    finer = image(blob, affine=fine)
    coarse = image(blob.reshape(80, 2, 80, 2).mean(axis=(1, 3)), affine=downscale_affine(fine, (2, 2)))
    found = register(coarse, finer)
    for seen in (finer, coarse, found.result, found.reference):
        assert np.abs(centroid(seen) - (2 + 70.3 * 0.05, 3 + 84.8 * 0.05)).max() < 0.05 * 0.1


def test_anisotropic_volume():
    shift = np.array([1.6, -3.3, 2.7])
    stretch = np.diag([3.0, 1, 1, 1])
    still, away = (scene((24, 64, 64), stretch @ g, field=(72, 64, 64), count=150) for g in (np.eye(4), moved(shift)))
    random = np.random.default_rng(0)
    both = [image(v + 0.1 * random.normal(size=v.shape), pixel_size=(0.3, 0.1, 0.1)) for v in (still, away)]
    found = register(*both)
    assert np.abs(found.pixels + shift).max() < 0.1
    assert found.shift == pytest.approx(-shift * (0.3, 0.1, 0.1), abs=0.02)
    assert found.reference.shape == found.result.shape


def test_few_planes_are_not_searched_along_z():
    still, away = (np.stack([scene((100, 100), g, seed=k) for k in range(5)]) for g in (None, moved(SHIFT)))
    found = register(image(still, pixel_size=1), image(away, pixel_size=1))
    assert found.pixels[0] == 0
    assert np.abs(found.pixels[1:] + SHIFT).max() < 0.01
    assert found.result.size("Z") == 5
    single = register(image(still[:1], pixel_size=1), image(away[:1], pixel_size=1, origin=(70, 0, 0)))
    assert np.abs(single.pixels[1:] + SHIFT).max() < 0.01
    plane = register(image(still[:1], pixel_size=1), image(away[0], pixel_size=1))
    assert plane.pixels == single.pixels


def test_channels_frames_and_colours():
    still, away = scene((100, 100)), scene((100, 100), moved(SHIFT))
    noise = np.random.default_rng(0).normal(size=(2, 3, 100, 100))
    result, reference = noise[0], noise[1]
    result[1], reference[1] = still, away
    found = register(Image.from_array(result, "CYX"), Image.from_array(reference, "CYX", channel_names="abc"))
    assert np.abs(found.pixels + SHIFT).max() < 0.01
    assert found.reference.channel_names == ("a", "b", "c")
    movie = [np.stack([noise[0, 0], v, noise[0, 0]]) for v in (still, away)]
    assert np.abs(register(*(Image.from_array(v, "TYX") for v in movie)).pixels + SHIFT).max() < 0.01
    colours = [(np.stack([v, v, v], axis=-1) * 40).astype(np.uint8) for v in (still, away)]
    found = register(*(Image.from_array(v, "YXS") for v in colours))
    assert np.abs(found.pixels + SHIFT).max() < 0.05
    assert found.reference.shape == found.result.shape


def angle(matrix):
    return np.rad2deg(np.arctan2(matrix[-2, -3], matrix[-3, -3]))


def test_rotation():
    grid = turned(3, (63.5, 70)) @ moved((2.5, -1.5))
    result = image(scene((128, 140)), pixel_size=0.1, origin=(4, 2))
    reference = image(scene((128, 140), grid), pixel_size=0.1, origin=(4, 2))
    only_shift, found = register(result, reference), register(result, reference, transform="rigid")
    assert only_shift.matrix is None
    assert abs(angle(found.matrix) - 3) < 0.1
    world = result.affine @ grid @ np.linalg.inv(result.affine)
    middle = np.array([10.35, 8.95, 1])
    assert np.abs(found.matrix @ middle - world @ middle).max() < 0.1 * 0.1
    assert found.correlation > 0.999 > only_shift.correlation
    valid = np.isfinite(found.reference.data)
    assert psnr(found.reference.data[valid], found.result.data[valid], data_range=1) > 40


def test_scale_and_shear():
    grid = np.array([[1.02, 0.01, -2], [-0.015, 0.98, 3], [0, 0, 1]])
    found = register(image(scene((128, 140))), image(scene((128, 140), grid)), transform="affine")
    assert np.abs(found.matrix[:2, :2] - grid[:2, :2]).max() < 0.002
    assert np.abs((found.matrix - grid) @ [64, 70, 1]).max() < 0.05


def test_rotation_of_a_volume():
    stretch = np.diag([2.0, 1, 1, 1])
    grid = np.linalg.inv(stretch) @ turned(3, (24, 31.5, 31.5)) @ stretch
    still, away = (scene((24, 64, 64), stretch @ g, field=(48, 64, 64), count=150) for g in (np.eye(4), grid))
    found = register(*(image(v, pixel_size=(2, 1, 1)) for v in (still, away)), transform="rigid")
    assert abs(angle(found.matrix) - 3) < 0.1
    assert found.correlation > 0.999


def test_rotation_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(MissingExtraError, match="pip install SimpleITK"):
        register(image(scene((64, 64))), image(scene((64, 64))), transform="rigid")


def test_local_shifts_show_a_displaced_quadrant():
    random = np.random.default_rng(3)
    still, away = scene((256, 256)), scene((256, 256), moved((1.2, -1.6)))
    mixed = still.copy()
    mixed[:128, 128:] = away[:128, 128:]
    result, reference, deformed = (image(v + 0.02 * random.normal(size=v.shape)) for v in (still, still, mixed))
    calm = local_shifts(result, reference)
    assert calm.axes == "YX"
    assert calm.shape == (256, 256)
    assert np.nanmax(calm.data) < 0.2
    assert describe_deformation(calm) == ""
    shifts = local_shifts(result, deformed)
    assert np.nanmedian(shifts.data[20:90, 166:236]) == pytest.approx(2, abs=0.1)
    assert np.nanmax(shifts.data[150:]) < 0.3
    said = describe_deformation(shifts)
    assert "2 pixels off" in said
    assert "within Y 0 to 1" in said
    assert "X 1" in said
    assert "to 255" in said


def test_local_shifts_where_nothing_can_be_measured():
    random = np.random.default_rng(3)
    rows = np.zeros((128, 128)) + np.sin(np.arange(128) / 6)
    lines = [image(rows + 0.05 * random.normal(size=rows.shape)) for _ in range(2)]
    assert np.isnan(local_shifts(*lines).data).all(), "along a line no shift can be seen"
    noise = [image(random.normal(size=(96, 96))) for _ in range(2)]
    assert "could not be measured" in describe_deformation(local_shifts(*noise))
    half = scene((128, 128))
    half[:, :64] = 0
    lengths = local_shifts(image(half), image(half), block=32).data
    assert np.isnan(lengths[:, :30]).all()
    assert np.nanmax(lengths) == 0


def test_local_shifts_of_movies_and_stacks():
    still, away = scene((96, 96)), scene((96, 96), moved((1, 0)))
    result, reference = (
        Image.from_array(np.stack(v)[:, None, None], "TCZYX", channel_names=("a",))
        for v in ((still, still), (still, away))
    )
    shifts = local_shifts(result, reference)
    assert shifts.axes == "TZYX"
    assert np.nanmedian(shifts.data, axis=(1, 2, 3)) == pytest.approx([0, 1], abs=0.05)
    with pytest.raises(SettingsError, match="at least 16"):
        local_shifts(result, reference, block=8)


def test_invalid_pixels_are_left_out():
    clean, still, away = scene((128, 128)), scene((128, 128)), scene((128, 128), moved(SHIFT))
    away[40:70, 60:85] = np.nan
    away[np.random.default_rng(0).random(away.shape) < 0.001] = np.nan
    still[100, 3:30] = np.inf
    found = register(image(still), image(away))
    assert np.abs(found.pixels + SHIFT).max() < 0.03
    valid = np.isfinite(found.reference.data)
    assert 0.05 < 1 - valid.mean() < 0.1
    start = np.rint(found.result.origin).astype(int)
    clean = clean[tuple(slice(s, s + n) for s, n in zip(start, found.result.shape, strict=True))]
    assert psnr(found.reference.data[valid], clean[valid], data_range=1) > 40


def test_nothing_in_common_moves_nothing():
    random = np.random.default_rng(0)
    result, reference = (image(v) for v in random.normal(size=(2, 128, 128)))
    found = register(result, reference)
    assert found.pixels == (0, 0)
    assert np.array_equal(found.reference.data, reference.data)
    assert "no shift was found" in found.notes[-1]
    flat = register(image(np.ones((128, 128))), reference)
    assert flat.pixels == (0, 0)
    assert flat.correlation == 0
    far = register(image(scene((128, 128))), image(scene((128, 128), moved((45, 0)))))
    assert far.pixels == (0, 0), "beyond a quarter of the field"
    same = register(image(scene((64, 64))), image(scene((64, 64))), transform="affine")
    assert same.matrix is None
    turned_too = register(result, reference, transform="rigid")
    assert turned_too.matrix is None
    assert "no rigid transform improves" in turned_too.notes[-1]


def test_images_without_pixel_size():
    still, away = scene((130, 128), field=(128, 128)), scene((128, 131), moved(SHIFT), field=(128, 128))
    found = register(image(still, pixel_size=0.5), image(away))
    assert found.shift == pytest.approx(-SHIFT / 2, abs=0.01)
    assert "pixel size unknown (Y, X)" in found.notes[0]
    begun_at_zero = register(image(still, pixel_size=0.5, origin=(-0.25, -0.25)), image(away, pixel_size=0.5))
    assert begun_at_zero.pixels == pytest.approx(found.pixels, abs=1e-6)
    assert "no recorded origin" in begun_at_zero.notes[0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda i: i.with_pixel_size(0.12), "as fine as the result, got 1.2 times its pixel size along Y"),
        (lambda i: i.replace(data=np.zeros_like(i.data)), "must not be constant"),
        (lambda i: i.replace(data=np.full_like(i.data, np.nan)), "must overlap by 12 valid pixels"),
        (lambda i: image(i.data, pixel_size=0.1, origin=(50, 0)), "must overlap"),
        (lambda i: image(i.data, pixel_size=0.1, origin=(6, 0)), "must overlap by 12 valid pixels along Y and X"),
        (lambda i: image(i.data[:50]), "Set `pixel_size`"),
        (lambda i: Image.from_array(np.stack([i.data] * 2), "CYX", pixel_size=0.1), r"axes must fit.*C \(2\)"),
    ],
)
def test_references_that_cannot_be_registered(changed, said):
    result = image(scene((64, 64)), pixel_size=0.1)
    with pytest.raises(EvaluationError, match=said):
        register(result, changed(result))


def test_wrong_options():
    with pytest.raises(SettingsError, match=r"unknown transform 'elastic'.*shift, rigid, affine"):
        register(image(np.eye(20)), image(np.eye(20)), transform="elastic")
    two, three = (Image.from_array(np.zeros((n, 20, 20)), "CYX") for n in (2, 3))
    with pytest.raises(EvaluationError, match="as long along C, got 2 and 3"):
        register(two, three)
