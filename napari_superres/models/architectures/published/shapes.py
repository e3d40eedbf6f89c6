"""`Shapes`: layers of the sizes that the tensors of a checkpoint have.

A published network differs from file to file in its numbers of features and blocks, and pruned ones in every layer.
They are read from the tensors' shapes, so that a network's file here states only how its layers are connected.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn


class Shapes:
    """Shapes of the tensors whose names begin with a prefix.

    Parameters
    ----------
    shapes
        Shape of each tensor of the checkpoint, by name.
    prefix
        Beginning of the names, with its final dot; empty for all.

    Attributes
    ----------
    missing
        Names of the biases that layers should have, but the checkpoint does not hold.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], prefix: str = "") -> None:
        self._shapes, self._prefix = shapes, prefix
        self.missing: list[str] = []

    def at(self, name: str | int) -> "Shapes":
        """Return the shapes of the tensors of one submodule."""
        part = Shapes(self._shapes, f"{self._prefix}{name}.")
        part.missing = self.missing
        return part

    def __contains__(self, name: str) -> bool:
        """Return whether a tensor or a submodule has this name."""
        full = self._prefix + name
        return full in self._shapes or any(key.startswith(f"{full}.") for key in self._shapes)

    def __getitem__(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor; a `LookupError` says that it is missing."""
        return self._shapes[self._prefix + name]

    def numbered(self, name: str = "", first: int = 0) -> Iterator[int]:
        """Yield the numbers of the submodules ``name0``, ``name1`` and so on, as far as they go without a gap."""
        number = first
        while f"{name}{number}" in self:
            yield number
            number += 1

    def conv(
        self, name: str, *, inputs: int | None = None, stride: int = 1, padding: int | None = None, biased: bool = True
    ) -> nn.Conv2d:
        """Return a convolution of the size that its tensors have.

        Parameters
        ----------
        name
            Name of the submodule.
        inputs
            Its input channels, if it may have groups: 0 for one channel per group. None = no groups.
        stride
            Its stride.
        padding
            Zeros beyond the border; None = as many as keep the size of the image.
        biased
            Whether it has a bias in every file; otherwise it has one if the file holds it.
        """
        outputs, per_group, *kernel = self[f"{name}.weight"]
        if len(kernel) != 2 or not all(k % 2 for k in kernel):
            raise ValueError(f"{name} is no convolution of two axes with an odd kernel")
        groups = 1 if inputs is None else (inputs or outputs) // per_group
        pad = (kernel[0] // 2, kernel[1] // 2) if padding is None else (padding, padding)
        bias = self._has_bias(name, biased)
        size = (kernel[0], kernel[1])
        return nn.Conv2d(per_group * groups, outputs, size, stride, pad, groups=groups, bias=bias)

    def depthwise(self, name: str, *, biased: bool = True) -> nn.Conv2d:
        """Return a convolution that works on each channel by itself."""
        return self.conv(name, inputs=0, biased=biased)

    def point(self, name: str, *, biased: bool = True) -> nn.Module:
        """Return a map of each pixel's channels, with the weights of a convolution or of a linear layer."""
        size = self[f"{name}.weight"]
        if len(size) != 2:
            return self.conv(name, biased=biased)
        return _Point(size[1], size[0], bias=self._has_bias(name, biased))

    def _has_bias(self, name: str, biased: bool) -> bool:
        """Return whether a layer has a bias, and note one that is missing."""
        has = f"{name}.bias" in self
        if biased and not has:
            self.missing.append(f"{self._prefix}{name}.bias")
        return has

    def scale(self, outputs: int, channels: int = 3) -> int:
        """Return the factor of a sub-pixel rearrangement that makes `channels` of so many channels."""
        scale = round((outputs / channels) ** 0.5)
        if scale < 1 or channels * scale**2 != outputs:
            raise ValueError(f"{outputs} channels are no square number of times {channels}")
        return int(scale)


class _Point(nn.Linear):
    """A linear map of each pixel's channels."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
