"""A network of planes for volumes: it runs over both families of planes that hold the coarse axis, and is averaged.

Slices that are thick along one axis are sharp along the two others, so a network that is trained on planes of these two
can make the third finer. The idea is that of Zhao, Dewey, Pham, Calabresi, Reich, Prince: SMORE, IEEE Transactions on
Medical Imaging 40, 2021, doi:10.1109/TMI.2020.3037187, and of Weigert, Royer, Jug, Myers: Isotropic reconstruction of
3D fluorescence microscopy images using convolutional neural networks, MICCAI 2017, doi:10.1007/978-3-319-66185-8_15.
The mean of the two results replaces the Fourier burst accumulation of the former. The network of planes is `edsr`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_superres.core.kernels import REACH
from napari_superres.models.architectures.edsr import EDSR
from napari_superres.models.architectures.layers import near_zero
from napari_superres.models.interpolate import Interpolation

_PIXELS = 2**17
"""Pixels of the planes that are computed at once: more take memory and no less time."""


class Orthogonal(nn.Module):
    """Refines one axis of a volume with a network of planes, in both directions across this axis.

    With `mirrored`, the results of the four mirror images of each plane are averaged.

    Attributes
    ----------
    halo
        Pixels of the input around each pixel, per axis, that its result depends on.
    """

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 3,
        blocks: int = 8,
        features: int = 32,
        kernel: str = "area-spline",
        mirrored: bool = False,
    ) -> None:
        super().__init__()
        finer = [axis for axis, s in enumerate(scale) if s > 1]
        if ndim != 3 or len(scale) != 3 or len(finer) != 1:
            raise ValueError(f"orthogonal refines one axis of volumes, got ndim={ndim} and scale={tuple(scale)}")
        self.axis = finer[0]
        self.scale = tuple(scale)
        self.mirrored = mirrored
        self.interpolation = Interpolation(kernel, scale)
        self.planes = EDSR(scale=(scale[self.axis], 1), blocks=blocks, features=features, skip=False, tail="direct")
        near_zero(self.planes.tail[0])

        convolutions = 2 * blocks + 3  # of three pixels each
        least = [REACH[kernel] if axis == self.axis else 0 for axis in range(3)]
        self.halo = tuple(max(convolutions, reach) for reach in least)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, 1, Z, Y, X)`` on the finer grid."""
        across = [axis for axis in range(3) if axis != self.axis]
        detail = [self._refine(x, through) for through in across]
        return self.interpolation(x) + (detail[0] + detail[1]) / 2

    def detail(self, planes: Tensor) -> Tensor:
        """Return what the network adds to interpolated planes ``(B, 1, coarse, fine)``, on the finer grid."""
        if not self.mirrored:
            added: Tensor = self.planes(planes)
            return added
        parts = [self.planes(planes.flip(axes)).flip(axes) for axes in ((), (2,), (3,), (2, 3))]
        return torch.stack(parts).mean(dim=0)

    def _refine(self, x: Tensor, through: int) -> Tensor:
        """Return what the network adds, over all planes along one axis."""
        (along,) = {0, 1, 2} - {self.axis, through}
        order = [0, 2 + through, 1, 2 + self.axis, 2 + along]
        planes = x.permute(order)  # (B, planes, 1, coarse, fine)
        batch, count = planes.shape[:2]
        planes = planes.flatten(0, 1)
        step = max(1, _PIXELS // (planes.shape[-1] * planes.shape[-2]))
        # Convolutions of planes are fastest on a CPU in the channels-last layout.
        parts = [self.detail(p.contiguous(memory_format=torch.channels_last)) for p in torch.split(planes, step)]
        whole = torch.cat(parts)
        whole = whole.reshape(batch, count, *whole.shape[1:])
        return whole.permute([order.index(axis) for axis in range(5)])
