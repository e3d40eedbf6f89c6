"""Lack of memory: wherever it strikes, the result is the same and the record tells."""

import warnings

import numpy as np
import pytest
import torch
from helpers.faults.memory import failing

from napari_superres import Image, upscale
from napari_superres.errors import SuperResError, SuperResWarning, TileTooLargeError
from napari_superres.inference import iter_upscale


def run(model, data, **options):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        result = upscale(data, model, axes="TYX", intensity_range=[(0, 1)], **options)
    return result, [
        str(w.message)
        for w in heard
        if issubclass(w.category, SuperResWarning) and "memory was short" in str(w.message)
    ]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
@pytest.mark.parametrize("batch", [1, 3])
def test_at_every_call(espcn, plane, batch, error):
    data = np.stack([plane, plane[::-1]]).astype(np.float32)
    options = {"tile": 26, "batch": batch}
    counter = failing(espcn)
    whole, heard = run(counter, data, **options)
    assert counter.module.calls >= 3
    assert not heard
    for call in range(counter.module.calls):
        result, heard = run(failing(espcn, at=[call], error=error), data, **options)
        assert np.abs(result.data - whole.data).max() <= 1e-5, f"call {call}"
        reduced = result.metadata["provenance"]["memory_reductions"]
        assert len(reduced) == 1
        assert reduced[0].startswith("batch" if batch > 1 else "tile")
        assert len(heard) == 1
        assert reduced[0] in heard[0]


def test_several_times(espcn, plane):
    data = plane[None].astype(np.float32)
    whole, _ = run(espcn, data)
    result, _ = run(failing(espcn, at=[0, 1, 2]), data, batch=2, tile=30)
    assert np.abs(result.data - whole.data).max() <= 1e-5
    assert len(result.metadata["provenance"]["memory_reductions"]) == 3


def test_a_lasting_limit_is_found_once(espcn):
    """Windows still queued at the old size are divided too, instead of failing and halving one after the other."""
    data = np.random.default_rng(0).random((3, 100, 90)).astype(np.float32)
    whole, _ = run(espcn, data)
    result, _ = run(failing(espcn, above=30 * 30), data, tile=50, batch=1)
    assert np.abs(result.data - whole.data).max() <= 1e-5
    reduced = result.metadata["provenance"]["memory_reductions"]
    assert len(reduced) == 1, reduced


def test_never_enough(espcn, plane):
    for error in (torch.OutOfMemoryError, MemoryError):
        model = failing(espcn, above=0, error=error)
        with pytest.raises(TileTooLargeError, match=r"not even a tile of 9 x 9 pixels.*Close other programs") as caught:
            upscale(plane, model, axes="YX", batch=4)
        assert isinstance(caught.value, MemoryError)
        assert isinstance(caught.value, SuperResError)


def test_other_errors_are_not_swallowed(espcn, plane):
    model = failing(espcn, at=[1], error=RuntimeError)
    with pytest.raises(RuntimeError, match="as the test wishes"):
        upscale(plane, model, axes="YX", tile=24, batch=1)


@pytest.mark.parametrize("at", [(), (1,)])
def test_progress_tells_every_region_once(espcn, plane, at):
    """Also those of divided windows: what is shown live must not miss a part."""
    data = plane.astype(np.float32)
    model = failing(espcn, at=at)
    told = np.zeros((74, 90), int)
    done, last = [], None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        for last in iter_upscale(data, model, axes="YX", tile=26, batch=1):
            done.append(last.done)
            if last.region is not None:
                told[last.region] += 1
    assert (told == 1).all()
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-1] == last.total
    assert last.remaining == 0.0
    assert "provenance" in last.image.metadata


def test_cancelling_keeps_what_was_written(espcn, plane):
    whole = upscale(plane, espcn, axes="YX", tile=20, batch=1).data
    out = np.full(whole.shape, -9.0)
    steps = iter_upscale(plane, espcn, axes="YX", tile=20, batch=1, out=out)
    written = np.zeros(whole.shape, bool)
    for _, step in zip(range(4), steps, strict=False):
        if step.region is not None:
            written[step.region] = True
    steps.close()
    assert 0 < written.sum() < written.size
    assert np.array_equal(out[written], whole[written])
    assert (out[~written] == -9.0).all()


def test_a_result_that_cannot_fit_is_refused_before_anything_is_computed(monkeypatch, espcn):
    class Huge:
        shape, dtype, ndim = (10**7, 10**7), np.dtype(np.uint8), 2

        def __getitem__(self, index):
            return np.zeros((2, 2), np.uint8)

    with pytest.raises(SuperResError, match=r"GB and .* GB are free.*roi"):
        upscale(Image.from_array(Huge(), "YX"), espcn, intensity_range=[(0, 255)])
