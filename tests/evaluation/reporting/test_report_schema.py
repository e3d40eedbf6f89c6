"""The schema describes what reports hold, and nothing else."""

import json
from copy import deepcopy

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_superres import Image, degrade, evaluate, evaluate_folder, upscale, write_image
from napari_superres.evaluation.metrics.score import PLANE_METRICS
from napari_superres.evaluation.reporting.report import COLUMNS, Report, report_schema

jsonschema = pytest.importorskip("jsonschema", reason="reports are checked with jsonschema")


def scene(shape=(96, 80), axes="YX", seed=0, top=4000, dtype=np.uint16):
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = gaussian_filter(noise, [2 if a in "YX" else 0 for a in axes])
    values = (smooth - smooth.min()) / np.ptp(smooth) * top
    return Image.from_array(values.astype(dtype), axes, pixel_size=0.1)


def recorded(reference, seed=0):
    return degrade(reference, 2, kernel="gaussian", psf_sigma=1.0, photons=2000, read_noise=2, seed=seed)


def checked(report):
    """Return a report's document, which the schema allows."""
    document = json.loads(report.to_json(), parse_constant=pytest.fail)
    validator().validate(document)
    return document


def validator():
    return jsonschema.Draft202012Validator(report_schema())


@pytest.fixture(scope="module")
def one():
    """Return the report of an image with everything that there can be."""
    reference = scene()
    low = recorded(reference)
    return evaluate(
        upscale(low, "lanczos-x2"), reference, lr=low, models=["nearest-x2"], repeat=recorded(reference, 1), name="<µ>"
    )


def test_the_schema_is_one_and_names_every_column():
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    row, plane = schema["$defs"]["row"], schema["$defs"]["plane"]
    assert set(row["properties"]) == set(row["required"]) == {*COLUMNS, "planes", "role"}
    assert set(plane["properties"]) == set(plane["required"]) == set(PLANE_METRICS)
    objects = [schema, *(d for d in schema["$defs"].values() if d.get("type") == "object")]
    assert all(d["additionalProperties"] is False for d in objects)


def test_one_image(one):
    document = checked(one)
    assert {r["role"] for r in document["rows"]} == {"judged", "beside", "baseline"}
    assert set(document["findings"]["<µ>"]) == {
        "questions",
        "unit",
        "consistency",
        "agreement",
        "interpolated",
        "repeat",
    }
    assert document["rows"][0]["ms_ssim"] is None, "it needs larger images"
    assert len(document["comparisons"]) == len(document["rows"]) - 1


def test_colours():
    reference = scene((64, 64, 3), "YXS", top=250, dtype=np.uint8)
    low = degrade(reference, 2)
    document = checked(evaluate(upscale(low, "bicubic-x2"), reference, lr=low, convention="sr-paper"))
    assert document["conventions"]["convention"] == "sr-paper"


def test_a_stack_of_channels_with_different_ranges_and_without_pixel_size():
    stack = np.stack([np.asarray(scene((2, 48, 48), "ZYX", seed=s, top=2000 * (s + 1)).data) for s in range(2)])
    reference = Image.from_array(stack, "CZYX")
    low = degrade(reference, (1, 2, 2))
    document = checked(evaluate(upscale(low, "lanczos-x2"), reference, lr=low, baselines=()))
    first, _, mean = document["rows"][:3]
    assert (len(first["planes"]), mean["channel"], mean["planes"], mean["data_range"]) == (2, "all", [], None)
    assert document["findings"]["image"]["unit"] == "pixel"


def test_a_folder_with_failures(tmp_path):
    for name in ("sr", "ref", "lr"):
        (tmp_path / name).mkdir()
    for i in range(2):
        reference = scene((48, 48), seed=i)
        low = degrade(reference, 2)
        for name, image in (("sr", upscale(low, "lanczos-x2")), ("ref", reference), ("lr", low)):
            write_image(image, tmp_path / name / f"{i}.tif")
    write_image(reference, tmp_path / "ref" / "forgotten.tif")
    (tmp_path / "sr" / "bad.tif").write_bytes(b"garbage")
    write_image(reference, tmp_path / "ref" / "bad.tif")
    report = evaluate_folder(tmp_path / "sr", tmp_path / "ref", lr_dir=tmp_path / "lr", baselines=())
    document = checked(report)
    assert {f["image"] for f in document["failures"]} == {"forgotten", "bad"}
    assert {r["image"] for r in document["rows"]} == {"0", "1", "mean"}
    assert set(document["findings"]) == {"0", "1"}


def test_an_input_only():
    reference = scene()
    document = checked(evaluate(reference, None, lr=recorded(reference)))
    assert document["rows"] == document["comparisons"] == []
    assert "agreement" not in document["findings"]["image"]


def test_equal_images():
    reference = scene((48, 48))
    document = checked(evaluate(reference, reference, lr=degrade(reference, 2)))
    judged, comparison = document["rows"][0], document["comparisons"][0]
    assert (judged["psnr"], judged["si_psnr"]) == ("inf", "inf")
    assert (comparison["images"], comparison["difference"]) == (0, None)


def test_pixels_that_are_not_finite():
    values = np.array(scene((64, 64)).data, np.float32)
    values[20:30, 20:30] = np.nan
    reference = Image.from_array(values, "YX", pixel_size=0.1)
    document = checked(evaluate(reference, reference, lr=degrade(scene((64, 64)), 2)))
    assert document["rows"][0]["invalid"] == 100


def test_a_report_of_nothing():
    checked(Report([], {}))


def places(document, path=()):
    """Yield the path of every object of a document, in lists of the first only."""
    if isinstance(document, dict):
        yield path
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(value, dict | list) and (isinstance(key, str) or key == 0):
            yield from places(value, (*path, key))


FREE = {("conventions",), ("findings",)}
MAY_MISS = {"consistency", "agreement", "interpolated", "repeat"}


def test_a_key_that_is_missing_renamed_or_new_fails(one):
    document, check = json.loads(one.to_json()), validator()
    looked = 0
    for path in places(document):
        if path in FREE:
            continue
        inner = document
        for key in path:
            inner = inner[key]
        for key in list(inner):
            changed = deepcopy(document)
            target = changed
            for step in path:
                target = target[step]
            value = target.pop(key)
            assert check.is_valid(changed) is (key in MAY_MISS), (*path, key)
            target[f"{key}_"] = value
            assert not check.is_valid(changed), (*path, key)
            looked += 1
    assert looked > 60


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("rows", 0, "role"), "rival"),
        (("rows", 0, "psnr"), "nan"),
        (("rows", 0, "ssim"), "inf"),
        (("rows", 0, "invalid"), 0.5),
        (("rows", 0, "channel"), 0),
        (("notes",), "text"),
        (("comparisons", 0, "beats"), "perhaps"),
        (("findings", "<µ>", "questions", 0, "state"), "perhaps"),
        (("findings", "<µ>", "consistency", "bands"), None),
        (("failures",), ["reason"]),
    ],
    ids=lambda v: ".".join(map(str, v)) if isinstance(v, tuple) else None,
)
def test_a_wrong_value_fails(one, path, value):
    document = json.loads(one.to_json())
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert not validator().is_valid(document)
