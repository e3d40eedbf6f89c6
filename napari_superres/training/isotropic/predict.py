"""Does it help? Two predictions of the gain over interpolation, made on the stack itself.

Both compare a result with what was recorded. `gain_on_planes` makes sharp planes coarse along one of their axes; it
sees every kind of structure but that along the coarse axis, and is blind to a wrong slice profile. `gain_along` makes
the stack coarser along its coarse axis, with a network that learnt the same one octave further up.

Both subtract the noise of what they compare with. Noise that input and target share would count as success, so each is
recorrupted: one is given noise that the other loses, which makes them independent (Pang, Zheng, Quan, Ji:
Recorrupted-to-Recorrupted, CVPR 2021, doi:10.1109/CVPR46437.2021.00209).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_superres.core.kernels import AREA_SPLINE
from napari_superres.models.architectures.orthogonal import Orthogonal
from napari_superres.models.interpolate import Interpolation
from napari_superres.training.isotropic.fit import Lesson

Stack = npt.NDArray[np.float32]

_LEAST = 1e-10
"""Smallest mean squared error, on the scale of 0 to 1: less is noise that was subtracted."""


def degrade_first_axis(stack: Stack, lesson: Lesson) -> tuple[Stack, Stack]:
    """Return a stack whose first axis is coarse, without noise of its own, and the part of the stack it stands for."""
    weights, margin = lesson.profile.taps(lesson.scale)
    count = (len(stack) - 2 * margin) // lesson.scale
    starts = np.arange(count) * lesson.scale
    coarse = sum(w * stack[starts + i] for i, w in enumerate(weights))
    return np.asarray(coarse, dtype=np.float32), stack[margin : margin + count * lesson.scale]


def gain_along(network: Orthogonal, stack: Stack, lesson: Lesson, seed: int = 0) -> float:
    """Return the gain over the area spline, in dB, along the first axis of a stack that was made coarser along it.

    Parameters
    ----------
    network
        Trained for the octave above: its `Lesson.octave` is the scale.
    stack
        ``(Z, Y, X)``, Z coarse, on the scale of 0 to 1.
    lesson
        Of the network.
    seed
        Of the noise.
    """
    coarse, fine = _pair(stack, lesson, np.random.default_rng(seed))
    with torch.inference_mode():
        result = network(torch.from_numpy(coarse)[None, None])[0, 0].numpy()
    return _gain(coarse, result, fine, lesson)


def gain_on_planes(network: Orthogonal, planes: Sequence[Stack], lesson: Lesson, seed: int = 0) -> float:
    """Return the mean gain over the area spline, in dB, on planes that were made coarse along one of their axes.

    Parameters
    ----------
    network
        Trained on other planes.
    planes
        ``(Y, X)`` each, on the scale of 0 to 1.
    lesson
        Of the network.
    seed
        Of the noise.
    """
    random, gains = np.random.default_rng(seed), []
    for turned in (np.stack(planes, axis=1), np.stack([p.T for p in planes], axis=1)):
        coarse, fine = _pair(turned, lesson, random)  # (coarse, planes, along)
        with torch.inference_mode():
            x = torch.from_numpy(coarse.swapaxes(0, 1).copy())[:, None]
            result = (_base(x, lesson.scale) + network.detail(x))[:, 0].numpy().swapaxes(0, 1)
        gains.append(_gain(coarse, result, fine, lesson))
    return float(np.mean(gains))


def _pair(stack: Stack, lesson: Lesson, random: np.random.Generator) -> tuple[Stack, Stack]:
    """Return a coarse stack with the noise of the fine one, and the fine one, whose noise is independent."""
    extra = lesson.noise.sigma(stack) * random.standard_normal(stack.shape)
    coarse, _ = degrade_first_axis((stack + extra).astype(np.float32), lesson)
    _, fine = degrade_first_axis((stack - extra).astype(np.float32), lesson)
    weights, _ = lesson.profile.taps(lesson.scale)
    missing = max(0.0, 1 - 2 * float((weights**2).sum())) ** 0.5
    coarse = np.nan_to_num(coarse)  # where pixels are missing, nothing is compared
    coarse = coarse + missing * lesson.noise.sigma(coarse) * random.standard_normal(coarse.shape)
    return coarse.astype(np.float32), fine


def _gain(coarse: Stack, result: Stack, fine: Stack, lesson: Lesson) -> float:
    """Return the gain in dB of a result over the area spline, without the first and last coarse slice."""
    base = _base(torch.from_numpy(coarse)[None, None].flatten(3), lesson.scale)[0, 0].numpy().reshape(fine.shape)
    inner = slice(lesson.scale, -lesson.scale)
    variance = 2 * float(np.nanmean(lesson.noise.sigma(fine[inner]) ** 2))
    errors = [float(np.nanmean((x[inner] - fine[inner]) ** 2)) - variance for x in (base, result)]
    return float(10 * np.log10(max(errors[0], _LEAST) / max(errors[1], _LEAST)))


def _base(x: Tensor, scale: int) -> Tensor:
    """Return ``(B, 1, coarse, along)`` with its third axis refined by the area spline."""
    return Interpolation(AREA_SPLINE, (scale, 1))(x)
