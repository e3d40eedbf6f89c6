"""Where a model was measured: its gains over a grid of blur and noise, as its card carries them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, Self

from napari_superres.errors import ModelFileError
from napari_superres.models.card_checks import check_number, check_numbers, check_texts, shortened

Gains = tuple[tuple[float, ...], ...]

_MUCH = 0.5
"""Gain over the best classical method, in dB, from which a cell has two plus signs."""

_MOST = 50
"""Most rows, columns and sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Gains of a model in dB of PSNR, by blur (columns) and noise (rows), on images that no training used.

    The best classical method is chosen for each image by the truth, of bicubic interpolation, Richardson-Lucy with the
    true point-spread function, non-local means, and both one after the other.

    Attributes
    ----------
    psf_sigma
        Blur of each column: sigma of the Gaussian point-spread function in pixels of the result, rising.
    photons
        Noise of each row: photons in a pixel at intensity 1 of the model's scale, falling; None = no noise.
    over_bicubic, over_classical
        Mean gains, one row per noise, where the model is told the blur and measures the noise.
    by_default
        Mean gains over bicubic with the settings that nobody changed: no blur told, noise measured. Empty if the
        model is told nothing.
    worst
        Gain over bicubic of the worst image, in any condition, with the blur told or not.
    worst_image
        Which one it is, in words.
    images
        Number of images.
    seen, unseen
        Names of the sources of the images: those of which the training had other parts, and the others.
    seen_over_classical, unseen_over_classical
        Mean gain on the images of each kind of sources; None where there is none.
    protocol
        How the grid was measured, in words.
    """

    psf_sigma: tuple[float, ...]
    photons: tuple[float | None, ...]
    over_bicubic: Gains
    over_classical: Gains
    by_default: Gains = ()
    worst: float
    worst_image: str
    images: int
    seen: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    seen_over_classical: float | None = None
    unseen_over_classical: float | None = None
    protocol: str = ""

    def __post_init__(self) -> None:
        self._set("psf_sigma", _rising("psf_sigma", self.psf_sigma))
        self._set("photons", _falling("photons", self.photons))
        for name in ("over_bicubic", "over_classical", "by_default"):
            rows = getattr(self, name)
            is_left_out = name == "by_default" and rows in ((), [])
            self._set(name, () if is_left_out else self._gains(name, rows))
        check_number("grid worst", self.worst)
        for name in ("seen_over_classical", "unseen_over_classical"):
            if getattr(self, name) is not None:
                check_number(f"grid {name}", getattr(self, name))
        if isinstance(self.images, bool) or not isinstance(self.images, int) or self.images < 1:
            raise ModelFileError(f"card: grid images must be a number of at least 1, got {shortened(self.images)}.")
        for name in ("seen", "unseen"):
            self._set(name, _names(name, getattr(self, name)))
        check_texts({"worst_image": self.worst_image, "protocol": self.protocol}, ("worst_image", "protocol"))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _gains(self, name: str, rows: Any) -> Gains:
        if not isinstance(rows, list | tuple) or len(rows) != len(self.photons):
            raise ModelFileError(f"card: grid {name} needs {len(self.photons)} rows, got {shortened(rows)}.")
        return tuple(check_numbers(f"grid {name}", row, len(self.psf_sigma)) for row in rows)

    @classmethod
    def from_values(cls, values: Any) -> Self:
        """Return the grid of a card's plain values.

        Raises
        ------
        ModelFileError
            If they are not a grid.
        """
        if isinstance(values, cls):
            return values
        known = {f.name for f in fields(cls)}
        if not isinstance(values, Mapping) or set(values) - known:
            raise ModelFileError(f"card: grid may hold {', '.join(sorted(known))}.")
        try:
            return cls(**values)
        except TypeError as error:
            raise ModelFileError(f"card: the grid is incomplete ({shortened(str(error))}).") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values that JSON can hold."""
        return asdict(self)

    def sign(self, row: int, column: int) -> str:
        """Return what a cell says of the model: ``"++"``, ``"+"``, ``"-"`` or ``"--"``, as `grid_map.LEGEND` says."""
        if self.over_bicubic[row][column] < 0:
            return "--"
        gain = self.over_classical[row][column]
        return "-" if gain < 0 else "+" if gain < _MUCH else "++"


def _list(name: str, values: Any) -> list[Any]:
    if not isinstance(values, list | tuple) or not 0 < len(values) <= _MOST:
        raise ModelFileError(f"card: grid {name} needs 1 to {_MOST} numbers, got {shortened(values)}.")
    return list(values)


def _rising(name: str, values: Any) -> tuple[float, ...]:
    numbers = check_numbers(f"grid {name}", values, len(_list(name, values)))
    if numbers[0] < 0 or any(b <= a for a, b in pairwise(numbers)):
        raise ModelFileError(f"card: grid {name} must rise from at least 0, got {shortened(values)}.")
    return numbers


def _falling(name: str, values: Any) -> tuple[float | None, ...]:
    first, *rest = _list(name, values)
    counts = rest if first is None else [first, *rest]
    numbers = check_numbers(f"grid {name}", counts, len(counts))
    if any(n <= 0 for n in numbers) or any(b >= a for a, b in pairwise(numbers)):
        raise ModelFileError(f"card: grid {name} must fall, after none for no noise, got {shortened(values)}.")
    return (None, *numbers) if first is None else numbers


def _names(field: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or len(values) > _MOST:
        raise ModelFileError(f"card: grid {field} must be at most {_MOST} names, got {shortened(values)}.")
    names = {f"{field} {i}": value for i, value in enumerate(values)}
    check_texts(names, tuple(names))
    return tuple(values)
