"""`Wishes`: what a user says about a network whose file does not say it. No torch here until tensors are needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[Any]

RANGES = {"0..1": 1.0, "0..255": 255.0, "16bit": 65535.0}
"""Ranges of the numbers that networks take, and their upper ends."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user says about a network without a description.

    Attributes
    ----------
    range
        Range of its values, a key of `RANGES`; None = measure it.
    channels
        ``"rgb"`` or ``"luma"``; None = as its file states.
    example
        An image between 0 and 1 and its result, both ``(1, C, (Z)YX)``; None = none.
    quick
        Whether to assume a halo instead of measuring it.
    """

    range: str | None = None
    channels: Literal["rgb", "luma"] | None = None
    example: "tuple[Tensor, Tensor] | None" = None
    quick: bool = False

    def __post_init__(self) -> None:
        if self.range is not None and self.range not in RANGES:
            raise SettingsError(f"`range` must be one of {', '.join(RANGES)}, got {self.range!r}.")
        if self.channels not in (None, "rgb", "luma"):
            raise SettingsError(f"`channels` must be rgb or luma, got {self.channels!r}.")

    @property
    def are_about_graphs(self) -> bool:
        """Whether they say anything that only a file without a description needs."""
        return any(wish is not None for wish in (self.range, self.channels, self.example))

    def to_json(self, folder: Path) -> dict[str, Any]:
        """Return them as values that JSON can hold; the example is written into a folder."""
        files = None
        if self.example is not None:
            files = [str(folder / f"example{i}.npy") for i in range(2)]
            for file, tensor in zip(files, self.example, strict=True):
                np.save(file, tensor.numpy())
        return {"range": self.range, "channels": self.channels, "quick": self.quick, "example": files}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        import torch

        files = values.get("example")
        tensors = [torch.from_numpy(np.load(file, allow_pickle=False)) for file in files or ()]
        example = (tensors[0], tensors[1]) if files else None
        return cls(values.get("range"), values.get("channels"), example, bool(values.get("quick")))


UNSAID = Wishes()
"""Nothing is said."""


def example_tensor(pixels: Array, axes: str) -> "Tensor":
    """Return an image as a tensor between 0 and 1, ``(1, C, (Z)YX)``.

    Parameters
    ----------
    pixels, axes
        Of the image: ``YX``, ``YXS``, ``CYX`` and the like. Whole numbers are divided by the largest of their type.

    Raises
    ------
    SettingsError
        If it has other axes, or no finite numbers.
    """
    import torch

    order = axes.replace("S", "C")
    if sorted(order.replace("C", "")) not in (list("XY"), list("XYZ")) or order.count("C") > 1:
        raise SettingsError(f"an example must be one image, plane or volume, got axes {axes}.")
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1.0
    values = pixels.astype(np.float32) / np.float32(top)
    if not np.isfinite(values).all():
        raise SettingsError("an example must hold finite numbers.")
    values = np.moveaxis(values, order.index("C"), 0)[:3] if "C" in order else values[None]
    return torch.from_numpy(np.ascontiguousarray(values[None]))
