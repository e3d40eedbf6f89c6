"""Trains the network of planes: sharp planes of the stack itself, and the same with one axis made coarse."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.core.kernels import AREA_SPLINE
from napari_superres.core.noise import Noise
from napari_superres.models.architectures.edsr import EDSR
from napari_superres.models.architectures.orthogonal import Orthogonal
from napari_superres.models.interpolate import Interpolation
from napari_superres.models.library.registry import model_path
from napari_superres.models.model_file import read_weights
from napari_superres.training.isotropic.profile import SliceProfile

Planes = Sequence[npt.NDArray[np.float32]]

STEPS = 600
"""Steps of a training. More raise the gain on the planes themselves, and lower that along the coarse axis."""

_BATCH, _EDGE = 8, 32
_RATE, _WARM_UP, _DECAY = 1e-3, 30, 150
_LARGEST_GRADIENT = 0.05
_FLAT, _DRAWS = 0.03, 4
"""Standard deviation, of the range, below which a patch is drawn again, and how often patches are drawn at most."""

TRUNK = "em-x2"
"""Model whose blocks the network begins with: 0.06 dB better than random ones on a brain, of quite another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What the network learns from planes.

    Attributes
    ----------
    scale
        Factor of the coarse axis.
    profile
        Of the slices.
    noise
        Of the planes, on the scale where the planes are 0 to 1: coarse patches get as much of it as the planes have,
        because averaging takes noise away that thick slices have.
    octave
        Planes are made coarser by this factor first, along the axis that becomes coarse, for a network that makes
        `scale` times coarser slices as fine as those of the stack.
    """

    scale: int
    profile: SliceProfile
    noise: Noise
    octave: int = 1


def fit(
    planes: Planes, lesson: Lesson, *, seed: int = 0, steps: int = STEPS, stop: Callable[[], bool] = bool
) -> Generator[None, None, Orthogonal]:
    """Train a network for stacks whose first axis is coarse; yield after every step.

    Parameters
    ----------
    planes
        ``(Y, X)`` each, of any sizes, on the scale where most intensities are 0 to 1; NaN where nothing was measured.
    lesson
        What it learns.
    seed
        Of all random numbers.
    steps
        Number of steps.
    stop
        Called after every step: training ends if it returns True.

    Returns
    -------
    Orthogonal
        In evaluation mode, with averaged weights.
    """
    random = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Orthogonal(scale=(lesson.scale, 1, 1), mirrored=True)
    _load_trunk(network.planes)
    network.planes.to(memory_format=torch.channels_last)
    weights = list(network.planes.parameters())
    mean = [w.detach().clone() for w in weights]
    optimiser = torch.optim.Adam(weights, lr=_RATE)
    sampler = _Sampler(planes, lesson, random)
    half = _is_half_native()
    for step in range(1, steps + 1):
        optimiser.param_groups[0]["lr"] = _RATE * min(1, step / _WARM_UP) * min(1, (_DECAY / step) ** 0.5)
        coarse, fine = sampler.draw()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            detail = network.planes(coarse)
        loss = F.mse_loss(sampler.base(coarse) + detail.float(), fine)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(weights, _LARGEST_GRADIENT)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(mean, [w.detach() for w in weights], 1 / (1 + 0.1 * step))
        yield
        if stop():
            break
    with torch.no_grad():
        for weight, averaged in zip(weights, mean, strict=True):
            weight.copy_(averaged)
    return network.eval().requires_grad_(False)


class _Sampler:
    """Draws patches of planes, turned and mirrored, and makes one axis of them coarse."""

    def __init__(self, planes: Planes, lesson: Lesson, random: np.random.Generator) -> None:
        self._planes = [torch.from_numpy(np.ascontiguousarray(plane)) for plane in planes]
        self._lesson, self._random = lesson, random
        weights, self._margin = lesson.profile.taps(lesson.scale)
        self._weights = torch.from_numpy(weights)[None, None, :, None]
        self._added = 1 - float((weights**2).sum()) / lesson.octave
        self.base = Interpolation(AREA_SPLINE, (lesson.scale, 1))
        least = [min(p.shape[axis] for p in planes) for axis in (0, 1)]
        along = (min(least) // lesson.octave - 2 * self._margin) // lesson.scale
        self._length, self._width = min(_EDGE, along), min(_EDGE, *least)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return coarse ``(B, 1, length, width)``, and fine patches."""
        octave, scale, margin = self._lesson.octave, self._lesson.scale, self._margin
        rows = (self._length * scale + 2 * margin) * octave
        fine = torch.stack([self._patch(rows) for _ in range(_BATCH)])[:, None]
        if octave > 1:
            fine = F.avg_pool2d(fine, (octave, 1))
        coarse = F.conv2d(fine, self._weights, stride=(scale, 1))
        variance = self._lesson.noise.sigma(coarse.numpy()) ** 2 * self._added
        noise = np.sqrt(variance) * self._random.standard_normal(coarse.shape)
        coarse = coarse + torch.from_numpy(noise.astype(np.float32))
        fine = fine[:, :, margin : fine.shape[2] - margin]
        return coarse.contiguous(memory_format=torch.channels_last), fine

    def _patch(self, rows: int) -> Tensor:
        for _ in range(_DRAWS):
            plane = self._planes[self._random.integers(len(self._planes))]
            if self._random.random() < 0.5:
                plane = plane.T
            y = int(self._random.integers(0, plane.shape[0] - rows + 1))
            x = int(self._random.integers(0, plane.shape[1] - self._width + 1))
            patch = plane[y : y + rows, x : x + self._width]
            if patch.std() > _FLAT:  # not where pixels are missing: those are NaN
                break
        mirrored = [axis for axis in (0, 1) if self._random.random() < 0.5]
        return patch.nan_to_num().flip(mirrored)


def _load_trunk(network: EDSR) -> None:
    """Load all weights but the last ones. What the trunk is told of blur and noise is left out: none is told."""
    own = network.state_dict()
    for name, weight in read_weights(model_path(TRUNK)).items():
        if name in own and not name.startswith("tail"):
            own[name] = weight[:, : own[name].shape[1]] if weight.ndim > 1 else weight
    network.load_state_dict(own)


def _is_half_native() -> bool:
    """Return whether the processor multiplies bfloat16 itself: elsewhere it takes longer than 32 bits."""
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
