"""The instruments that can be simulated; without Qt."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class InstrumentKind:
    """A way to make low-resolution images of high-resolution ones.

    Attributes
    ----------
    label
        Label in the list.
    kind
        Kind of `degradation.instruments`.
    modality
        Modality for the model card.
    ranges
        Settings that are ranges, with the ranges that the shipped models were trained with.
    is_volume
        Whether it makes thick slices of volumes.
    """

    label: str
    kind: str
    modality: str
    ranges: Mapping[str, tuple[float, float]]
    is_volume: bool = False

    @property
    def has_noise(self) -> bool:
        """Whether noise is among its settings, so that it can be measured on a layer."""
        return any(name in self.ranges for name in ("read_noise", "noise"))

    def field_name(self, setting: str) -> str:
        """Return the field of a setting: noise is in electrons where photons are counted, otherwise in percent."""
        is_noise = setting in ("noise", "read_noise")
        return ("read_noise" if "photons" in self.ranges else "share") if is_noise else setting

    def unit(self, setting: str) -> float:
        """Return the value of a setting for which its field shows 1."""
        return 0.01 if self.field_name(setting) == "share" else 1.0

    def suits(self, modality: str, settings: Mapping[str, object]) -> bool:
        """Whether a model of a modality with these degradation settings can be imitated.

        Networks that are told blur and noise are trained with all strengths: of them, only the instrument is known.
        """
        if settings.get("kind") == "conditioned":
            return self.modality == modality and not self.is_volume
        is_known = set(settings) - {"kind", "psf", "eight_bit"} <= set(self.ranges)
        return (self.modality, self.kind) == (modality, settings.get("kind")) and is_known


KINDS = (
    InstrumentKind(
        "Fluorescence", "optics", "fluorescence", {"psf_sigma": (0.8, 2.2), "photons": (15, 400), "read_noise": (0, 2)}
    ),
    InstrumentKind(
        "Electron microscope",
        "optics",
        "electron microscopy",
        {"psf_sigma": (0.6, 1.4), "photons": (40, 1000), "read_noise": (0, 2)},
    ),
    InstrumentKind("CT", "optics", "CT", {"psf_sigma": (0.6, 1.4), "read_noise": (0, 0.06)}),
    InstrumentKind("MRI: k-space", "kspace", "MRI", {"noise": (0, 0.05)}),
    InstrumentKind("Photograph: bicubic", "bicubic", "photograph", {}),
    InstrumentKind("Photograph: JPEG", "bicubic", "photograph", {"jpeg": (30, 95)}),
    InstrumentKind(
        "Thick slices: fluorescence",
        "slices",
        "fluorescence",
        {"psf_sigma": (0.3, 1.0), "photons": (15, 400), "noise": (0, 2)},
        is_volume=True,
    ),
    InstrumentKind("Thick slices: MRI", "slices", "MRI", {"noise": (0, 0.05)}, is_volume=True),
)
"""All instruments that can be chosen."""

PSFS = {"Gaussian": "gaussian", "Widefield lens": "widefield", "Confocal": "confocal"}
"""Shapes of the point-spread function, by label."""
