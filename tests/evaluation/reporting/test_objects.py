"""What a report says of objects: whether the result helps, the bound over images, the table and its files."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_superres import Image, degrade, evaluate, evaluate_folder, upscale, write_image
from napari_superres.errors import SettingsError
from napari_superres.evaluation.metrics.objects.table import ObjectRow, ObjectSettings
from napari_superres.evaluation.reporting.objects import summarise
from napari_superres.evaluation.reporting.report import report_schema

SPACING, EDGE = 20, 168


def cells(seed=0):
    """Return a reference with spots in pairs, of which the input shows only one, and their masks."""
    random = np.random.default_rng(seed)
    points = np.zeros((EDGE, EDGE))
    labels = np.zeros((EDGE, EDGE), np.int32)
    y, x = np.mgrid[:EDGE, :EDGE]
    number = 0
    for cy in range(14, EDGE - 8, SPACING):
        for cx in range(14, EDGE - 8, SPACING):
            for shift in (-3, 3):
                number += 1
                points[cy, cx + shift] = 1
                labels[(y - cy) ** 2 + (x - cx - shift) ** 2 <= 8] = number
    values = gaussian_filter(points, 1.3)
    values = 100 + 4000 * values / values.max() + random.normal(0, 5, values.shape)
    return Image.from_array(values.astype(np.uint16), "YX", pixel_size=0.1), labels


def blurred(reference, seed=0):
    return degrade(reference, 2, kernel="gaussian", psf_sigma=3.0, photons=3000, read_noise=2, seed=seed)


def helps(report):
    (answer,) = (a for f in report.findings.values() for a in f.answers if a.question.startswith("Does it help"))
    return answer


@pytest.fixture(scope="module")
def pair():
    reference, labels = cells()
    return reference, labels, blurred(reference)


def test_a_result_that_resolves_pairs_helps(pair):
    reference, labels, lr = pair
    report = evaluate(reference, reference, lr=lr, labels=labels, detect="spots", object_size=0.4, baselines=())
    rows = {r.candidate: r for r in report.objects.rows}
    assert list(rows) == ["reference", "input", "result", "bicubic"]
    assert rows["result"].kept == rows["reference"].kept == labels.max()
    assert rows["bicubic"].kept < 0.8 * labels.max()
    assert helps(report).state == "yes"
    assert "in this image only" in helps(report).reason
    table = report.table()
    assert "invented" in table
    document = json.loads(report.to_json())
    pytest.importorskip("jsonschema").validate(document, report_schema())
    assert document["objects"]["rows"][2]["kept"] == labels.max()
    assert '<h2 id="objects">Objects</h2>' in report.to_html()


def test_interpolation_itself_shows_no_difference_and_a_worse_result_is_denied(pair):
    reference, labels, lr = pair
    same = upscale(lr, "bicubic-x2")
    report = evaluate(same, reference, lr=lr, labels=labels, detect="spots", object_size=0.4, baselines=())
    assert helps(report).state == "not measurable"
    assert "no difference from bicubic" in helps(report).reason
    blank = reference.replace(data=np.full(reference.shape, 100, np.uint16))
    flat = blank.replace(data=np.asarray(blank.data) + np.random.default_rng(0).integers(0, 9, blank.shape, np.uint16))
    report = evaluate(flat, reference, lr=blurred(reference), detect="spots", object_size=0.6, baselines=())
    assert helps(report).state == "no"


def test_objects_that_are_added_are_named_and_never_green(pair):
    """Pairs are resolved as in the reference, and objects are planted between them."""
    reference, labels, lr = pair
    values = np.asarray(reference.data, np.float64)
    points = np.zeros(values.shape)
    points[24:150:20, 24:150:20] = 1
    planted = gaussian_filter(points, 1.3)
    forged = reference.replace(data=(values + 4000 * planted / planted.max()).astype(np.uint16))
    report = evaluate(forged, reference, lr=lr, labels=labels, detect="spots", object_size=0.4, baselines=())
    rows = {r.candidate: r for r in report.objects.rows}
    assert rows["result"].invented == int(points.sum())
    assert helps(report).state == "doubtful"
    assert f"invents {int(points.sum())} objects" in helps(report).reason


def test_without_objects_nothing_is_claimed():
    flat = Image.from_array(np.random.default_rng(0).integers(90, 110, (96, 96)).astype(np.uint16), "YX", pixel_size=1)
    labels = np.zeros(flat.shape, np.uint8)
    report = evaluate(flat, flat, labels=labels, object_size=5, lr=degrade(flat, 2))
    assert helps(report).state == "not measurable"


def row(name, role, kept, invented, *, image="0", expected=100):
    found = np.zeros(expected, bool)
    found[:kept] = True
    counts = {"kept": kept, "merged": 0, "split": 0, "lost": expected - kept, "invented": invented}
    shares = dict.fromkeys(("ap50", "ap75", "ap", "area", "intensity"), 1.0)
    names = {"image": image, "candidate": name, "role": role, "channel": "0"}
    return ObjectRow(**names, objects=kept + invented, expected=expected, **counts, **shares, found=found)


NUCLEI = ObjectSettings(kind="nuclei")


def verdict(*rows):
    found = summarise(NUCLEI, True, rows, [(np.zeros(0), np.zeros(0, bool))])
    return found.answer()


@pytest.mark.parametrize(
    ("rows", "state", "words"),
    [
        ([row("result", "judged", 90, 0), row("bicubic", "baseline", 60, 0)], "yes", "in this image only"),
        ([row("result", "judged", 60, 0), row("bicubic", "baseline", 90, 0)], "no", "measure on the bicubic image"),
        ([row("result", "judged", 90, 0), row("bicubic", "baseline", 89, 0)], "not measurable", "no difference"),
        ([row("result", "judged", 90, 9), row("bicubic", "baseline", 60, 0)], "doubtful", "invents 9 objects"),
        (
            [row("result", "judged", 80, 0), row("bicubic", "baseline", 60, 0), row("wiener", "baseline", 95, 0)],
            "doubtful",
            "not as good as wiener",
        ),
        (
            [row("reference", "beside", 20, 70), row("result", "judged", 90, 0), row("bicubic", "baseline", 60, 0)],
            "not measurable",
            "in the reference itself",
        ),
    ],
)
def test_the_answer_follows_from_the_counts(rows, state, words):
    answer = verdict(*rows)
    assert answer.state == state
    assert words in answer.reason


def test_the_worst_channel_decides():
    from dataclasses import replace

    good = [row("result", "judged", 90, 0), row("bicubic", "baseline", 60, 0)]
    bad = [
        replace(row("result", "judged", 60, 0), channel="1"),
        replace(row("bicubic", "baseline", 90, 0), channel="1"),
    ]
    assert verdict(*good, *bad).state == "no"
    assert verdict(*good, *bad).reason.startswith("channel 1: ")


def test_the_bound_over_images_keeps_its_promise_on_new_images():
    """Over many draws of 19 images and a new one, the mean share of invented objects that count is at most 10 %."""
    random = np.random.default_rng(0)
    shares = []
    for _ in range(400):
        supports = []
        for _ in range(20):
            invented = random.random(50) < random.uniform(0, 0.5)
            supports.append((np.where(invented, random.normal(3, 2, 50), random.normal(8, 3, 50)), invented))
        bound = summarise(NUCLEI, True, [], supports[:-1]).bound
        values, invented = supports[-1]
        shares.append((invented & (values > bound.threshold)).mean())
    assert 0.02 < np.mean(shares) <= 0.1 + 3 * np.std(shares) / 20
    assert "9 needed" in str(summarise(NUCLEI, True, [], supports[:8]).bound)


def test_a_folder_with_masks(tmp_path):
    for i in range(3):
        reference, labels = cells(i)
        masks = Image.from_array(labels.astype(np.uint16), "YX", pixel_size=0.1)
        files = {
            "ref": (reference, ""),
            "sr": (reference, ""),
            "lr": (blurred(reference, i), ""),
            "masks": (masks, "_mask"),
        }
        for name, (image, end) in files.items():
            (tmp_path / name).mkdir(exist_ok=True)
            if (name, i) != ("masks", 2):
                write_image(image, tmp_path / name / f"{i}{end}.tif")
    folders = [tmp_path / n for n in ("sr", "ref")]
    options = {"lr_dir": tmp_path / "lr", "labels_dir": tmp_path / "masks", "baselines": ()}
    report = evaluate_folder(*folders, **options, detect="spots", object_size=0.4)
    assert [f["image"] for f in report.failures] == ["2"]
    assert "no masks of this name" in report.failures[0]["reason"]
    assert {r.image for r in report.objects.rows} == {"0", "1"}
    answers = [a for a in report.findings["0"].answers if a.question.startswith("Does it help")]
    assert [a.state for a in answers] == ["yes"]
    assert "2 images, 9 needed" in report.table()


def test_settings_that_do_not_fit_are_refused(pair):
    reference, _, lr = pair
    for options, words in (
        ({"detect": "cells"}, "unknown kind"),
        ({"object_size": 1.0}, "needs objects"),
        ({"detect": "spots", "register": True}, "register"),
    ):
        with pytest.raises(SettingsError, match=words):
            evaluate(reference, reference, lr=lr, **options)
    with pytest.raises(SettingsError, match="need a reference"):
        evaluate(reference, None, lr=lr, detect="spots")
