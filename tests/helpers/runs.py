"""The plan of a run, resolved as `upscale` does it, for tests that look at plans."""

from typing import Unpack

from napari_superres import Image
from napari_superres.inference import Plan
from napari_superres.inference.options import ModelChoice, UpscaleOptions
from napari_superres.inference.planning.upscale_run import plan_run


def plan_of(image: Image, model: ModelChoice, *, measure: bool = False, **options: Unpack[UpscaleOptions]) -> Plan:
    """Return the plan of a run with one model."""
    (plan,) = plan_run(image, model, options, measure=measure).plans
    return plan
