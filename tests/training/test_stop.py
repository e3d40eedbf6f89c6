"""Trainings ended from outside: the best model is kept, or nothing; watching a training does not change it."""

import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import TINY

from napari_superres import Image, write_image
from napari_superres.errors import SuperResWarning, TrainingError
from napari_superres.models import find_card
from napari_superres.models.model_file import read_weights
from napari_superres.training import train
from napari_superres.training.images.fields_of_view import Field
from napari_superres.training.trainer import iter_train
from napari_superres.training.validation import crop_to_structure

pytest.importorskip("lightning", reason="training needs Lightning")
# Lightning's own: it asks torch in a way that is going out.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the model is no better than bicubic"),  # after seconds
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    y, x = np.mgrid[:40, :44]
    for i in range(4):
        picture = 128 + 90 * np.sin(y / (3 + i)) * np.cos(x / (2 + i))
        write_image(Image.from_array(picture.astype(np.uint8), "YX"), folder / f"{i}.png")
    return folder.parent


def all_of(training):
    """Return the steps of a training and its model file."""
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as end:
            return steps, end.value


def taken(path):
    """Return the number of steps on the card of a model."""
    return int(find_card(path).training.split(" steps of ")[0].split()[-1])


def threads():
    return [t for t in threading.enumerate() if t.name == "training"]


def test_in_a_thread_the_same_is_learnt_and_more_is_told(data, tmp_path):
    plain = read_weights(train(TINY, data, tmp_path / "a.safetensors", steps=30))
    steps, path = all_of(iter_train(TINY, data, tmp_path / "b.safetensors", steps=30))
    assert all(torch.equal(plain[k], v) for k, v in read_weights(path).items())
    assert (steps[-1].step, steps[-1].share) == (30, 1.0)
    assert threads() == []
    scores = find_card(path).scores["validation"]
    assert steps[-1].bicubic == scores["bicubic_psnr"]
    assert steps[-1].scores[-1] == scores["psnr"]
    example = steps[-1].example
    assert example.lr.shape == (20, 22)
    assert example.sr.shape == example.hr.shape == (40, 44)
    found = np.rint(example.sr * 255).clip(0, 255) / 255  # as results are scored where images have 8 bits
    error = np.mean((found - example.hr)[2:-2, 2:-2] ** 2)
    assert -10 * np.log10(error) == pytest.approx(steps[-1].scores[-1], abs=0.001), "what is shown is what is scored"


def test_enough_ends_after_the_step_and_keeps_the_best(data, tmp_path):
    asked = []

    def enough():
        asked.append(1)
        return len(asked) >= 5

    steps, path = all_of(iter_train(TINY, data, tmp_path / "m.safetensors", minutes=60, stop=enough))
    assert taken(path) == 5
    assert len(steps[-1].scores) == 1, "what there is at the end is looked at"
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.mark.parametrize(("fall", "kept"), [(0.1, 20), (0.3, 1)])
def test_the_last_weights_are_kept_unless_the_score_has_fallen(data, tmp_path, monkeypatch, fall, kept):
    from napari_superres.training import trainer

    looked = []

    def falling(network, fields, **_):
        looked.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"psnr": 30.0 - fall * (len(looked) > 1), "bicubic_psnr": 29.0}

    monkeypatch.setattr(trainer, "score_fields", falling)
    found = read_weights(train(TINY, data, tmp_path / "m.safetensors", steps=20))
    assert len(looked) == 20 + 1, "twenty validations, and the finished network"
    expected = looked[kept - 1]
    assert all(torch.equal(found[k], v) for k, v in expected.items())
    assert not torch.equal(*(next(iter(looked[i].values())) for i in (0, 19)))


def test_notes_travel_on_the_steps_and_nothing_is_warned(data, tmp_path):
    (tmp_path / "mixed").mkdir()
    for path in (data / "photos").iterdir():
        (tmp_path / "mixed" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "mixed" / "broken.png").write_bytes(b"\x89PNG broken")
    recipe = replace(TINY, data=("mixed",), rate=1e-12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        steps, _ = all_of(iter_train(recipe, tmp_path, tmp_path / "m.safetensors", steps=2))
    assert not [w for w in caught if issubclass(w.category, SuperResWarning)]
    told = [step.notes for step in steps if step.step]
    assert all(len(notes) == 1 and notes[0].startswith("broken.png is left out") for notes in told[:-1])
    assert "no better than bicubic" in told[-1][-1]


def test_closing_ends_within_a_step_and_writes_nothing(data, tmp_path):
    training = iter_train(TINY, data, tmp_path / "m.safetensors", minutes=60)
    for step in training:
        if step.step > 3:
            break
    training.close()
    assert threads() == []
    assert list(tmp_path.iterdir()) == []


def test_closing_does_not_wait_for_all_images_to_be_looked_at(data, tmp_path, monkeypatch):
    from napari_superres.training import trainer

    looked, at_work, go_on = [], threading.Event(), threading.Event()

    def slowly(network, fields, **_):
        for _ in range(1000):
            looked.append(network(torch.zeros(1, 1, 4, 4)))
            at_work.set()
            assert go_on.wait(60)
        return {"psnr": 1.0, "bicubic_psnr": 0.0}

    monkeypatch.setattr(trainer, "score_fields", slowly)
    training = iter_train(TINY, data, tmp_path / "m.safetensors", steps=1)
    next(training)
    assert at_work.wait(60)
    threading.Timer(0.3, go_on.set).start()  # when it is closed
    training.close()
    assert len(looked) == 1, "the second image ended it"


def test_an_error_of_the_training_is_raised_where_it_is_used(data, tmp_path):
    with pytest.raises(TrainingError, match="above 0"):
        all_of(iter_train(TINY, data, tmp_path / "m.safetensors", minutes=0))
    assert threads() == []


def test_one_image_has_no_example(data, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "0.png").write_bytes((data / "photos" / "0.png").read_bytes())
    one = replace(TINY, data=("one",))
    steps, _ = all_of(iter_train(one, tmp_path, tmp_path / "m.safetensors", steps=3))
    assert "none to hold out" in steps[-1].notes[0]
    assert (steps[-1].scores, steps[-1].bicubic, steps[-1].example) == ((), None, None)


def test_the_example_is_where_there_is_most_to_see():
    plane = np.zeros((400, 300), np.float32)
    plane[200:240, 100:140] = np.random.default_rng(0).random((40, 40))
    found = crop_to_structure(Field(plane, plane[::2, ::2]), (2, 2))
    assert found.hr.shape == (96, 96)
    assert found.hr.sum() == pytest.approx(plane.sum())
    np.testing.assert_array_equal(found.lr, found.hr[::2, ::2])
    volume = crop_to_structure(Field(np.zeros((9, 50, 50), np.float32)), (3, 1, 1))
    assert volume.hr.shape == (9, 16, 50)
