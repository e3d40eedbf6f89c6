"""The way of a batch through an accelerator, with the CPU in its place: the same code, one thing at a time."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_superres import upscale
from napari_superres.core.intensity import Limited, Normalisation
from napari_superres.inference.engine import sweep
from napari_superres.inference.engine.tile_io import to_image_type
from napari_superres.inference.machine.cuda_pipeline import CONVERTED, IN_FLIGHT, Pipeline, TileInput

CORE = (slice(4, 20), slice(2, 24))


def doubled(x: torch.Tensor) -> torch.Tensor:
    """Enlarge by two and go beyond the range of intensities."""
    return 1.3 * x.repeat_interleave(2, 2).repeat_interleave(2, 3) - 0.112


def windows(dtype: np.dtype, count: int, seed: int = 0) -> list[TileInput]:
    """Return windows of which every second one stems from a channel with values below 0."""
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 120, (count, 1, 12, 12))
    if dtype.kind != "u":
        values[:, :, 5, 5:8] = -4  # Missed by the sample where values below 0 are taken to be impossible.
    return [TileInput(v.astype(dtype), float(i), 90.0 + i, CORE, i % 2 == 0, 90.0) for i, v in enumerate(values)]


def expected(window: TileInput) -> tuple[np.ndarray, Limited]:
    """What the engine makes on the CPU, with numpy."""
    map_ = Normalisation((window.low,), (window.high,))
    y = doubled(torch.from_numpy(map_.apply(window.values, 0))[None])[0].numpy()
    inside = tuple(slice(c.start // 2, c.stop // 2) for c in CORE)
    plan = SimpleNamespace(normalisation=map_, nonnegative=(window.nonnegative,), contrast=(90.0,), work_scale=(2, 2))
    return to_image_type(plan, {}, y[:, *CORE].copy(), window.values[:, *inside])


@pytest.mark.parametrize("dtype", list(CONVERTED), ids=str)
def test_intensities_as_on_the_cpu(dtype):
    pipeline = Pipeline(doubled, doubled, (3, 1, 12, 12), (2, 2), dtype, "cpu")
    given = windows(dtype, 3)
    for window, found in zip(given, pipeline.submit(given)(), strict=True):
        values, limited = expected(window)
        assert found.values.dtype == dtype
        # The last bit of the conversion may fall on the other side of a half.
        assert np.abs(found.values.astype(float) - values.astype(float)).max() <= (1e-4 if dtype.kind == "f" else 1)
        assert np.mean(found.values != values) < 0.01 or dtype.kind == "f"
        assert found.limited.saturated == pytest.approx(limited.saturated, abs=2)
        assert found.limited.raised == pytest.approx(limited.raised, abs=2)
        assert found.limited.raised_far == pytest.approx(limited.raised_far, abs=2)
        assert (limited.raised >= limited.raised_far > 0) == window.nonnegative
        assert values.min() == (0 if dtype.kind == "u" else -4 if window.nonnegative else pytest.approx(-16, abs=1))
        assert not found.recomputed
    assert dtype.itemsize > 1 or any(expected(w)[1].saturated for w in given), "nothing was saturated"


def test_batches_in_flight_do_not_touch_each_other():
    dtype = np.dtype("uint16")
    pipeline = Pipeline(doubled, doubled, (2, 1, 12, 12), (2, 2), dtype, "cpu")
    batches = [windows(dtype, 1 + i % 2, seed=i) for i in range(9)]
    flying, fetched = [], []
    for batch in batches:
        flying.append((batch, pipeline.submit(batch)))
        if len(flying) == IN_FLIGHT:
            given, fetch = flying.pop(0)
            fetched.append((given, fetch()))
            # As in the loop: stored before the next batch is submitted.
            fetched[-1] = (given, [f.values.copy() for f in fetched[-1][1]])
    fetched += [(given, [f.values for f in fetch()]) for given, fetch in flying]
    assert len(fetched) == len(batches)
    for given, found in fetched:
        assert len(found) == len(given)
        for window, values in zip(given, found, strict=True):
            np.testing.assert_array_equal(values, expected(window)[0])


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_windows_that_overflow_are_computed_again(dtype):
    def overflowing(x: torch.Tensor) -> torch.Tensor:
        y = doubled(x)
        y[1] = torch.inf
        return y

    dtype = np.dtype(dtype)
    pipeline = Pipeline(overflowing, doubled, (2, 1, 12, 12), (2, 2), dtype, "cpu")
    given = windows(dtype, 2)
    found = pipeline.submit(given)()
    assert [f.recomputed for f in found] == [False, True]
    for window, each in zip(given, found, strict=True):
        np.testing.assert_allclose(each.values, expected(window)[0], atol=1e-4 if dtype.kind == "f" else 0)
        assert each.limited == expected(window)[1]


@pytest.fixture
def through(monkeypatch):
    """Send the windows of runs on the CPU through the pipeline."""
    monkeypatch.setattr(sweep.TileRunner, "is_pipelined", property(lambda runner: runner.image.dtype in CONVERTED))


def both_ways(image, model, monkeypatch, **options):
    result = upscale(image, model, **options)
    with monkeypatch.context() as patch:
        patch.setattr(sweep.TileRunner, "is_pipelined", property(lambda _: False))
        return result, upscale(image, model, **options)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("axes", ["YX", "TCYX", "YXS"])
def test_whole_runs(through, espcn, dtype, axes, monkeypatch):
    sizes = {"T": 2, "C": 3, "Y": 53, "X": 61, "S": 3}
    image = (np.random.default_rng(0).random([sizes[a] for a in axes]) * 250).astype(dtype)
    options = {"axes": axes, "tile": 24, "batch": 4}
    found, expected = both_ways(image, espcn, monkeypatch, **options)
    np.testing.assert_allclose(found.data, expected.data, atol=1e-3 if dtype == "float32" else 1)
    assert np.mean(found.data != expected.data) < 0.01 or dtype == "float32"
    record, reference = (r.metadata["provenance"]["counts"] for r in (found, expected))
    for name in ("saturated", "raised_to_zero", "raised_far"):
        assert record[name] == pytest.approx(reference[name], abs=3)


def test_pixels_that_are_not_finite(through, espcn, plane, monkeypatch):
    plane = plane.astype(np.float32)
    plane[5, 7], plane[20, 30:33] = np.nan, np.inf
    with pytest.warns(UserWarning, match="4 pixels are NaN or infinite"):
        found, expected = both_ways(plane, espcn, monkeypatch, axes="YX", tile=20)
    np.testing.assert_array_equal(np.isnan(found.data), np.isnan(expected.data))
    np.testing.assert_allclose(found.data, expected.data, atol=1e-5)


def test_half_precision_and_turns(through, espcn, plane, monkeypatch):
    options = {"axes": "YX", "tile": 20, "batch": 3, "precision": "bf16", "tta": True}
    found, expected = both_ways(plane.astype(np.float32), espcn, monkeypatch, **options)
    np.testing.assert_allclose(found.data, expected.data, atol=2.0**-8 * float(np.ptp(expected.data)))


def test_neighbouring_memory_is_short(through, espcn, plane, monkeypatch):
    submit, calls = Pipeline.submit, []

    def failing(self, given):
        calls.append(len(given))
        if len(calls) in (2, 3):
            raise torch.OutOfMemoryError
        return submit(self, given)

    monkeypatch.setattr(Pipeline, "submit", failing)
    with pytest.warns(UserWarning, match="memory was short"):
        found, expected = both_ways(plane.astype(np.float32), espcn, monkeypatch, axes="YX", tile=20, batch=4)
    assert calls[0] == 4
    assert calls[-1] <= 2
    np.testing.assert_allclose(found.data, expected.data, atol=1e-5)
