"""Objects: what is found, how it is matched, and what the table says of scenes whose objects are known."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_superres import Image
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.metrics.objects.detect import Detector, label_diameter, measure_diameter
from napari_superres.evaluation.metrics.objects.match import average_precision, match_objects
from napari_superres.evaluation.metrics.objects.table import ObjectMeter, ObjectSettings, object_support


def discs(places, radius=6, shape=(96, 96)):
    """Return labels of discs, the later ones on top."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for number, (cy, cx) in enumerate(places, 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels


def counts(match):
    names = ("kept", "merged", "split", "lost", "invented")
    return {name: int(getattr(match, name).sum()) for name in names}


PLACES = [(15, 15), (15, 45), (15, 75), (50, 15), (50, 45), (50, 75)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda a: a, {"kept": 6}),
        (lambda a: np.where(a == 3, 0, a), {"kept": 5, "lost": 1}),
        (lambda a: a + 9 * (discs([(80, 45)]) > 0), {"kept": 6, "invented": 1}),
        # Four and five become one object, with a bridge: neither is half of it.
        (lambda a: bridge(np.where(a == 5, 4, a)), {"kept": 4, "merged": 2}),
        # The left and the right half of one.
        (lambda a: np.where((a == 1) & (np.arange(96) < 15), 90, a) * (np.arange(96) != 15), {"kept": 5, "split": 1}),
        (lambda a: a * 0, {"lost": 6}),
    ],
    ids=["same", "lost", "invented", "merged", "split", "empty"],
)
def test_what_became_of_the_objects(change, expected):
    reference = discs(PLACES)
    match = match_objects(reference, change(reference), 0.5)
    assert counts(match) == {**dict.fromkeys(("kept", "merged", "split", "lost", "invented"), 0), **expected}
    # Every object is accounted for exactly once.
    assert (match.kept.astype(int) + match.merged + match.split + match.lost == 1).all()


def bridge(labels):
    labels = labels.copy()
    labels[48:53, 15:45] = 4
    return labels


@given(st.integers(0, 2**32 - 1))
def test_the_pairs_are_the_best_of_all_assignments(seed):
    """Compared with every assignment of four objects to four: most pairs first, then the largest overlaps."""
    random = np.random.default_rng(seed)
    labels = [random.integers(0, 5, (5, 5)) for _ in range(2)]
    iou = np.zeros((4, 4))
    for a in range(4):
        for b in range(4):
            one, other = labels[0] == a + 1, labels[1] == b + 1
            iou[a, b] = (one & other).sum() / max((one | other).sum(), 1)
    iou[iou < 0.2] = 0
    best = max(
        (sum(v > 0 for v in p), sum(p)) for p in ([iou[i, j] for i, j in enumerate(o)] for o in permutations(range(4)))
    )
    match = match_objects(*labels, 0.2)
    assert len(match.pairs) == best[0]
    assert match.iou.sum() == pytest.approx(best[1])


def test_average_precision_follows_from_the_overlap():
    """A square moved by k of 10 columns overlaps its own by (10 - k) / (10 + k)."""
    reference, moved = np.zeros((2, 30, 40), np.int32)
    reference[5:15, 5:15] = reference[5:15, 25:35] = 1
    reference[:, 20:] *= 2
    moved[5:15, 8:18], moved[5:15, 25:35] = 1, 2
    iou = 7 / 13
    assert average_precision(reference, moved, [0.5, iou - 1e-9, iou + 1e-9]) == pytest.approx([1, 1, 1 / 3])
    assert np.isnan(average_precision(reference * 0, moved * 0, 0.5)).all()


@pytest.mark.parametrize("kind", ["nuclei", "spots", "filaments"])
def test_nothing_is_found_where_nothing_is(kind):
    random = np.random.default_rng(1)
    assert Detector(kind, (8.0, 8.0)).find(np.full((64, 64), 7.0)).max() == 0
    assert Detector(kind, (8.0, 8.0)).find(np.full((64, 64), np.nan)).max() == 0
    noise = random.normal(100, 10, (128, 128))
    if kind != "filaments":
        assert Detector(kind, (8.0, 8.0)).find(noise).max() == 0


def test_known_spots_are_found_with_their_size():
    random = np.random.default_rng(0)
    scene, places = np.zeros((128, 128)), [(y, x) for y in range(12, 120, 16) for x in range(12, 120, 16)]
    for place in places:
        scene[place] = 1
    scene = gaussian_filter(scene, 2.0)
    scene = 1000 * scene / scene.max() + random.normal(0, 20, scene.shape)
    diameter = measure_diameter(scene, "spots", (1.0, 1.0))
    assert diameter == pytest.approx((2 * 2 * 2**0.5,) * 2)  # 2 sigma sqrt(2)
    labels = Detector("spots", diameter).find(scene)
    assert labels.max() == len(places)
    assert sorted(labels[p] for p in places) == list(range(1, len(places) + 1))


def test_nuclei_that_touch_are_told_apart_in_planes_and_volumes():
    labels = discs([(30, 30), (30, 52), (70, 60)], radius=12)
    for values, truth in ((labels > 0, labels), (np.repeat(labels[None], 9, 0) > 0, np.repeat(labels[None], 9, 0))):
        image = gaussian_filter(1000.0 * values, 1) + np.random.default_rng(2).normal(0, 10, truth.shape)
        found = Detector("nuclei", (24.0,) * truth.ndim).find(image)
        assert counts(match_objects(truth, found, 0.5)) == {
            "kept": 3,
            "merged": 0,
            "split": 0,
            "lost": 0,
            "invented": 0,
        }
    assert label_diameter(labels, (1.0, 1.0)) == pytest.approx((24.0, 24.0), rel=0.03)


def test_filaments_survive_noise():
    scene = np.zeros((128, 128))
    for row in (20, 50, 80, 110):
        scene[row, 10:118] = 1
    scene[10:118, 64] = 1
    scene = gaussian_filter(scene, 2) * 1000
    diameter = measure_diameter(scene, "filaments", (1.0, 1.0))
    clean = Detector("filaments", diameter).find(scene)
    noisy = Detector("filaments", diameter).find(scene + np.random.default_rng(0).normal(0, 20, scene.shape))
    assert clean.max() >= 8
    match = match_objects(clean, noisy, 0.3)
    assert match.kept.sum() >= clean.max() - 1
    assert match.invented.sum() == 0


def scene(places, level=1000.0, radius=6):
    random = np.random.default_rng(5)
    return gaussian_filter(level * (discs(places, radius) > 0), 1) + 100 + random.normal(0, 5, (96, 96))


def meter(reference, labels=None):
    masks = None if labels is None else Image.from_array(labels, "YX")
    return ObjectMeter(Image.from_array(reference, "YX"), ObjectSettings(kind="nuclei", size=12), masks, "cells")


def test_ratios_of_area_and_intensity():
    labels = discs(PLACES)
    for image, area, intensity in (
        (scene(PLACES), 1.0, 1.0),
        (100 + 0.5 * (scene(PLACES) - 100), 1.0, 0.5),
        (scene(PLACES, radius=7), (7 / 6) ** 2, 1.0),
    ):
        (row,) = meter(scene(PLACES), labels).measure(Image.from_array(image, "YX"), "result", "judged")
        assert (row.kept, row.lost, row.invented, row.expected) == (6, 0, 0, 6)
        assert row.area == pytest.approx(area, rel=0.12)
        assert row.intensity == pytest.approx(intensity, rel=0.12)


def test_pixels_that_are_not_finite_hold_no_object():
    reference = scene(PLACES)
    reference[:30] = np.nan
    (row,) = meter(reference, discs(PLACES)).measure(Image.from_array(scene(PLACES), "YX"), "result", "judged")
    assert (row.expected, row.kept, row.invented) == (3, 3, 0)


def test_frames_and_channels_are_counted_apart():
    values = np.stack([[scene(PLACES), scene(PLACES[:2])], [scene(PLACES), scene(PLACES[:3])]])  # T C
    image = Image.from_array(values, "TCYX", channel_names=("a", "b"))
    rows = ObjectMeter(image, ObjectSettings(kind="nuclei", size=12), None, "x").measure(image, "result", "judged")
    assert [(r.channel, r.expected, r.kept) for r in rows] == [("a", 12, 12), ("b", 5, 5)]


def test_support_is_that_of_the_input():
    """An object of which the input shows nothing has hardly any; the others have their contrast over the noise."""
    support = object_support(scene(PLACES[:5]), discs(PLACES))
    assert support[:5].min() > 100
    assert abs(support[5]) < 1


def test_masks_must_be_whole_numbers():
    with pytest.raises(EvaluationError, match="whole numbers"):
        meter(scene(PLACES), discs(PLACES) + 0.5)
    with pytest.raises(SettingsError, match="object_size"):
        ObjectSettings(kind="nuclei", size=-1)
    with pytest.raises(SettingsError, match="unknown kind"):
        ObjectSettings(kind="cells")


def test_a_picture_is_no_mask():
    picture = Image.from_array(np.random.default_rng(0).integers(0, 60000, (32, 32)).astype(np.uint16), "YX")
    with pytest.raises(EvaluationError, match=r"no masks: .* different values on 1024 pixels"):
        ObjectMeter(picture, ObjectSettings(kind="nuclei"), picture, "a")
