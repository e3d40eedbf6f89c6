"""Plans and previews of the same pixels look at them once; pixels that were edited in place are looked at again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.core import intensity
from napari_superres.inference.options import UPSCALE_DEFAULTS
from napari_superres.inference.planning import conditions, facts
from napari_superres.plugin.worker import tasks

OPTIONS = {**UPSCALE_DEFAULTS, "device": "cpu", "precision": "fp32"}
ROI = {"Y": (60, 90), "X": (10, 40)}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the looks at pixels."""
    found: list[str] = []

    def follow(module: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(module, name)

        def look(*values: Any, **options: Any) -> Any:
            found.append(name)
            return original(*values, **options)

        monkeypatch.setattr(module, name, look)

    for module, name in (
        (facts, "check_no_labels"),
        (intensity, "measure"),
        (conditions, "measure_noise"),
        (facts, "judge"),
        (facts, "doubts"),
    ):
        follow(module, name)
    return found


@pytest.fixture
def image() -> Image:
    y, x = np.mgrid[:128, :160]
    return Image.from_array(np.random.default_rng(0).poisson(90 + 60 * np.sin(y / 9) * np.cos(x / 7)), "YX")


@pytest.mark.parametrize("model", ["photo-x2", "fluo-x2", "fsrcnn-x2"])
def test_a_preview_after_a_plan_reads_nothing_again_and_computes_the_same(
    looks: list[str], image: Image, model: str
) -> None:
    seen: dict[Any, Any] = {}
    (plan,), _ = next(tasks.plan(image, model, OPTIONS, seen))
    assert len(looks) == len(set(looks)) >= 4
    looks.clear()
    options = {**OPTIONS, "roi": ROI}
    *_, shown = tasks.preview(image, model, options, {"Y": 75, "X": 25}, seen=seen)
    assert looks == []
    *_, fresh = tasks.preview(image, model, options, {"Y": 75, "X": 25})
    np.testing.assert_array_equal(shown.image.data, fresh.image.data)
    assert next(tasks.plan(image, model, OPTIONS, seen))[0] == [plan]
    image.data[:] //= 3  # edited in place, of which napari tells nobody
    looks.clear()
    (changed,), _ = next(tasks.plan(image, model, OPTIONS, seen))
    assert len(looks) >= 4
    assert changed.normalisation != plan.normalisation


def test_other_strengths_and_ranges_are_not_taken_from_an_earlier_look(looks: list[str], image: Image) -> None:
    seen: dict[Any, Any] = {}
    for changes in ({}, {"strength": 0.5}, {"intensity_range": [(0, 200)]}, {"noise": (1.0, 2.0)}, {"psf_sigma": 1.0}):
        options = {**OPTIONS, **changes}
        assert next(tasks.plan(image, "fluo-x2", options, seen))[0] == next(tasks.plan(image, "fluo-x2", options))[0]
