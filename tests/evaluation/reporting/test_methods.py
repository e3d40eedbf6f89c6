"""The text for the methods of a paper says what the record says, and no more."""

import numpy as np
import pytest

from napari_superres import Image, evaluate, upscale
from napari_superres.errors import EvaluationError
from napari_superres.evaluation import write_methods
from napari_superres.models import find_card


def scene(shape):
    """Return a pattern without noise."""
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    plane = 2000 + 1500 * np.sin(y / 3) * np.cos(x / 4)
    return np.broadcast_to(plane, shape).astype(np.uint16)


@pytest.fixture(scope="module")
def run():
    """Return an image and the result of a shipped network for a part of it."""
    image = Image.from_array(scene((40, 44)), "YX", pixel_size=0.2)
    return image, upscale(image, "espcn-x2", roi={"Y": (0, 32), "X": (4, 44)})


def test_everything_that_decides_the_result_is_in_the_paragraph(run):
    record, card = run[1].metadata["provenance"], find_card("espcn-x2")
    text = write_methods(record).paragraph
    for fact in (
        record["software"]["napari-superres-torch"],
        record["software"]["torch"],
        record["model"]["sha256"],
        "x2",
        "espcn-x2",
        card.training.rstrip("."),
        card.degradation.rstrip("."),
        card.limits.rstrip("."),
        "40 x 44 pixels",
        "pixels 0.2 x 0.2 µm (YX)",
        "X 4 to 44",
        record["precision"],
        record["warning"],
    ):
        assert str(fact) in text, fact
    assert card.citation in write_methods(record).citations


def test_scores_and_answers_of_an_evaluation_are_told(run):
    image = Image.from_array(np.asarray(run[0].data), "YX", pixel_size=0.2)
    result = upscale(image, "espcn-x2")
    report = evaluate(result, upscale(image, "lanczos-x2"), lr=image, baselines=())
    answers = report.findings["image"].answers
    methods = write_methods(result.metadata["provenance"], rows=report.rows, answers=answers)
    assert f"a PSNR of {report.rows[0]['psnr']:.2f} dB" in methods.paragraph
    assert "Is it consistent with its input" in methods.paragraph
    states = {item.name: item.state for item in methods.checklist}
    assert states["Limits on your own data"] == "done"


def test_the_checklist_has_both_levels_and_no_false_done(run):
    record = run[1].metadata["provenance"]
    items = {item.name: item for item in write_methods(record).checklist}
    assert {item.level for item in items.values()} == {"Minimal", "Recommended"}
    assert items["Give access to the model"].state == "done"
    assert items["Give example or validation data"].state == "you must add"
    assert items["Keep regions of interest"].state == "done"
    assert items["Limits on your own data"].state == "you must add", "it was not evaluated"
    unknown = {**record, "model": {**record["model"], "name": "my-own"}}
    items = {item.name: item for item in write_methods(unknown).checklist}
    assert items["Give access to the model"].state == "you must add"
    assert items["Code of the training"].state == "you must add"


def test_a_model_of_the_same_name_is_not_taken_for_the_recorded_one(run):
    record = run[1].metadata["provenance"]
    other = write_methods({**record, "model": {**record["model"], "sha256": "0" * 64}})
    assert find_card("espcn-x2").training.rstrip(".") not in other.paragraph
    assert "another one" in other.notes[0]
    assert {i.state for i in other.checklist if i.name == "Give access to the model"} == {"you must add"}


def test_interpolation_is_called_that(run):
    record = upscale(run[0], "bicubic-x2").metadata["provenance"]
    methods = write_methods(record)
    assert "by interpolation (bicubic-x2); no detail was added" in methods.paragraph
    states = {item.name: item.state for item in methods.checklist}
    assert states["Give access to the model"] == states["Code of the training"] == "not applicable"


def test_each_channel_has_its_model():
    image = Image.from_array(scene((2, 32, 32)), "CYX", channel_names=("DNA", "actin"))
    record = upscale(image, {"DNA": "espcn-x2", "actin": "bicubic-x2"}).metadata["provenance"]
    text = write_methods(record).paragraph
    assert "Channel 0 was made finer (x2) by the model espcn-x2" in text
    assert "Channel 1 was made finer (x2) by interpolation" in text


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"model": 3},
        {"model": {}},
        {"per_channel": []},
        {"model": {"name": "bicubic-x2"}, "input": 7},
        {"model": {"name": "bicubic-x2"}, "input": {"pixel_size": "abc", "units": {"X": "micrometer"}}},
    ],
)
def test_what_is_no_record_is_refused(record):
    with pytest.raises(EvaluationError, match="does not say how the result was made"):
        write_methods(record)
