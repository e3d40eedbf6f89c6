"""Networks that look at the whole image: tiled, they give what they give for all of it at once."""

import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers.faults.memory import failing
from helpers.networks import least_tile, make, whole
from helpers.runs import plan_of

from napari_superres import upscale
from napari_superres.errors import SettingsError, SuperResWarning, TileTooLargeError
from napari_superres.inference import iter_upscale
from napari_superres.inference.engine import sweep
from napari_superres.inference.engine.counts import Counts
from napari_superres.inference.images import as_image
from napari_superres.models import Model

GLOBAL = ("rcan", "instance", "group", "squeeze")
EXACT = {"precision": "fp64", "max_passes": 99}


def image_of(*size, seed=0):
    return np.random.default_rng(seed).random(size) - 0.05


def error(found, expected):
    return np.abs(found - expected).max() / np.ptp(expected)


@pytest.mark.parametrize("name", [*GLOBAL, "windows"])
@pytest.mark.parametrize("seed", [0, 1])
def test_pparallel_threads(name, seed):
    model = make(name, seed=seed)
    data = image_of(61 + seed, 83, seed=seed)
    found = upscale(data, model, axes="YX", tile=least_tile(model), batch=1 + 2 * seed, **EXACT)
    assert error(found.data, whole(model, data[None])[0]) <= 1e-10
    record = found.metadata["provenance"].get("statistics")
    assert (record is None) == (name == "windows")
    assert record is None or (record["left"] == 0.0 and 1 <= record["passes"] <= record["layers"])


@pytest.mark.parametrize("name", GLOBAL)
def test_volumes(name):
    model = make(name, (1, 2, 2))
    data = image_of(3, 5, 2 * least_tile(model)[-1] - 2 * model.card.halo[-1] + 3)
    found = upscale(data, model, axes="ZYX", tile=least_tile(model), **EXACT)
    assert found.metadata["provenance"]["statistics"]["passes"] >= 2
    assert error(found.data, whole(model, data[None])[0]) <= 1e-10


@pytest.mark.parametrize("name", GLOBAL)
def test_every_place_has_its_own_statistics(name):
    """Frames of other brightness share batches."""
    model = make(name)
    data = image_of(2, 2, 50, 47) * np.array([1.0, 3.0])[:, None, None, None] - np.arange(2.0)[:, None, None]
    found = upscale(data, model, axes="TCYX", tile=least_tile(model), batch=5, **EXACT).data
    for t in range(2):
        for c in range(2):
            assert error(found[t, c], whole(model, data[t, c][None])[0]) <= 1e-10


@pytest.mark.parametrize("name", GLOBAL)
@pytest.mark.parametrize(("channels", "samples"), [(1, 3), (1, 4), (3, 3)])
def test_colour(name, channels, samples):
    model = make(name, channels=channels)
    data = image_of(50, 43, samples) * np.arange(1, samples + 1)
    found = upscale(data, model, axes="YXS", tile=least_tile(model), batch=2, **EXACT).data
    planes = np.moveaxis(data[..., :3], -1, 0)
    expected = whole(model, planes) if channels == 3 else np.concatenate([whole(model, p[None]) for p in planes])
    assert error(np.moveaxis(found[..., :3], -1, 0), expected) <= 1e-10


@pytest.mark.parametrize("name", GLOBAL)
def test_a_part_is_that_part_of_the_whole(name):
    model = make(name)
    data = image_of(2, 60, 51)
    roi = {"T": (1, 2), "Y": (3, 58), "X": (17, 30)}
    found = upscale(data, model, axes="TYX", tile=least_tile(model), roi=roi, **EXACT).data
    assert error(found[0], whole(model, data[1][None])[0, 6:116, 34:60]) <= 1e-10


@pytest.mark.parametrize("name", GLOBAL)
def test_turned_windows_turn_their_cores(name):
    model = make(name)
    data = image_of(48, 60)
    expected = np.zeros((96, 120))
    for turns in range(4):
        for flip in (False, True):
            seen = np.rot90(data[:, ::-1] if flip else data, turns).copy()
            back = np.rot90(whole(model, seen[None])[0], -turns)
            expected += (back[:, ::-1] if flip else back) / 8
    found = upscale(data, model, axes="YX", tile=least_tile(model), tta=True, batch=2, **EXACT).data
    assert error(found, expected) <= 1e-10


@pytest.mark.parametrize("name", GLOBAL)
def test_single_precision(name):
    model = make(name)
    data = image_of(61, 83).astype(np.float32)
    exact = whole(model, data[None].astype(np.float64))[0]
    one = upscale(data, model, axes="YX", tile=200).data
    many = upscale(data, model, axes="YX", tile=least_tile(model)).data
    assert error(many, one) <= max(1e-5, 8 * error(one, exact))


@pytest.mark.parametrize("name", GLOBAL)
def test_gathering_from_whole_windows_is_seen(name, monkeypatch):
    """The tests above can fail: pixels counted twice show, and so do statistics of single windows."""
    model = make(name)
    data = image_of(61, 83)
    expected = whole(model, data[None])[0]
    card = replace(model.card, global_statistics=False)
    alone = upscale(data, Model(card, model.module), axes="YX", tile=least_tile(model), **EXACT).data
    assert error(alone, expected) > 1e-4
    monkeypatch.setattr(sweep, "inner_core", lambda tile: tuple(slice(0, r.stop - r.start) for r in tile.read))
    images = [as_image(data)]
    plan = plan_of(images[0], model, tile=least_tile(model), **EXACT)
    from napari_superres.inference.engine.global_statistics import find_global_statistics

    *_, (_, _, wrong) = find_global_statistics(images[0], model, plan, Counts())
    monkeypatch.undo()
    *_, (_, _, right) = find_global_statistics(images[0], model, plan, Counts())
    (a,), (b,) = wrong.planes.values(), right.planes.values()
    assert np.abs(a[0][0] - b[0][0]).max() > 1e-4


@pytest.mark.parametrize("name", ["rcan", "squeeze"])
def test_too_few_passes_say_what_is_left(name):
    model = make(name)
    data = image_of(61, 83)
    expected = 1000 * whole(model, data[None])[0]
    options = {"axes": "YX", "tile": least_tile(model), "precision": "fp64", "intensity_range": [(0, 1000)]}
    left = []
    for passes in (1, 2):
        with pytest.warns(SuperResWarning, match=rf"did not converge in {passes} passes.*max_passes"):
            found = upscale(1000 * data, model, max_passes=passes, **options)
        record = found.metadata["provenance"]["statistics"]
        assert record["passes"] == passes
        true = np.abs(found.data - expected).max()
        assert true / 2 <= record["left"] <= 20 * true
        left.append(record["left"])
    assert left[0] > left[1]


def test_one_window_needs_no_passes():
    model = make("rcan")
    data = image_of(40, 40)
    found = upscale(data, model, axes="YX", tile=40, precision="fp64")
    assert "statistics" not in found.metadata["provenance"]
    assert error(found.data, whole(model, data[None])[0]) <= 1e-12


@pytest.mark.parametrize("batch", [1, 3])
def test_lack_of_memory_at_every_call(batch):
    plain = make("squeeze")
    data = image_of(30, 33)
    expected = whole(plain, data[None])[0]

    def run(at):
        model = failing(plain, at=at)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SuperResWarning)
            found = upscale(data, model, axes="YX", tile=20, batch=batch, **EXACT)
        assert error(found.data, expected) <= 1e-10, f"call {at}"
        return model.module.calls, found.metadata["provenance"]["memory_reductions"]

    calls, _ = run(())
    for call in range(calls):
        assert run((call,))[1]


def test_lack_of_memory_for_the_one_window():
    plain = make("rcan")
    data = image_of(44, 44).astype(np.float32)
    model = failing(plain, at=(0,))
    with pytest.warns(SuperResWarning, match="memory was short"):
        found = upscale(data, model, axes="YX", tile=44, batch=1)
    assert found.metadata["provenance"]["statistics"]["passes"] >= 2
    assert error(found.data, whole(plain, data[None].astype(np.float64))[0]) <= 1e-5


def test_progress_counts_the_passes():
    model = make("rcan")
    steps = list(iter_upscale(image_of(2, 50, 50), model, axes="TYX", tile=least_tile(model), batch=2))
    assert steps[-1].done == steps[-1].total > 2 * 2 * 4
    assert all(a.done <= b.done for a, b in pairwise(steps))
    assert all(s.done <= s.total for s in steps)
    assert all(s.region is None for s in steps[: 2 * 4])


def test_what_no_halo_bounds_runs_in_one_window_or_not_at_all():
    model = make("fourier")
    assert not model.card.bounded
    data = image_of(300, 280)
    found = upscale(data, model, axes="YX", precision="fp64").data
    assert error(found, whole(model, data[None])[0]) <= 1e-12
    with pytest.raises(SettingsError, match=r"one tile must hold the image of 300 x 280 .* got tile=64.*crop"):
        plan_of(as_image(data), model, tile=64)
    with pytest.raises(SettingsError, match=r"needs .* GB .* are free. Crop the image"):
        plan_of(as_image(np.broadcast_to(np.float32(0), (10**6, 10**6))), model, intensity_range=[(0, 1)])
    with pytest.raises(TileTooLargeError, match="300 x 280"):
        upscale(data, failing(model, above=0), axes="YX", tile=300)


@pytest.mark.parametrize("passes", [0, True, 1.5, "many"])
def test_wrong_number_of_passes(passes):
    with pytest.raises(SettingsError, match="`max_passes` must be a whole number of at least 1"):
        plan_of(as_image(image_of(9, 9)), make("squeeze"), max_passes=passes)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_near(precision):
    model = make("group")
    data = image_of(61, 83).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        found = upscale(data, model, axes="YX", tile=least_tile(model), precision=precision).data
    assert found.dtype == np.float32
    assert error(found, whole(model, data[None].astype(np.float64))[0]) < 0.05


def test_statistics_are_plain_values():
    import pickle

    from napari_superres.inference.engine.global_statistics import find_global_statistics

    image, model = as_image(image_of(50, 50)), make("instance")
    plan = plan_of(image, model, tile=least_tile(model), precision="fp64")
    *_, (_, _, settled) = find_global_statistics(image, model, plan, Counts())
    again = pickle.loads(pickle.dumps(settled))
    assert all(rows.dtype == np.float64 for rows in again.planes[()])
    # count, mean and squared deviations of the first norm: of its whole map
    assert (again.planes[()][0][0] == 52 * 52).all()
    with torch.inference_mode():
        first = model.module.double().blocks[0][0](
            torch.from_numpy(np.pad(image.data, (0, 2), mode="reflect"))[None, None]
        )
    assert np.allclose(again.planes[()][0][1], first.mean((2, 3)).numpy(), rtol=0, atol=1e-12)
    assert np.allclose(again.planes[()][0][2] / 52**2, first.var((2, 3), correction=0).numpy(), rtol=1e-12)
