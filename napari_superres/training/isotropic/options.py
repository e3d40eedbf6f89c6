"""Options of making a stack isotropic, and their defaults."""

from typing import TypedDict

from napari_superres.inference.options import PsfOption
from napari_superres.training.isotropic.geometry import Profile


class IsotropicOptions(TypedDict, total=False):
    """Options of `isotropic` and `isotropic_file`, besides those of `upscale`.

    Attributes
    ----------
    axis : str
        The coarse axis: ``"Z"``, ``"Y"`` or ``"X"``.
    profile : str
        How a slice weighs what lies within it: ``"box"``, ``"gaussian"`` (thickness = full width at half maximum, as of
        an axial point-spread function), or ``"auto"``: a Gaussian with `psf`, else a box. A profile that is too wide
        costs more than one that is too narrow.
    thickness : float, optional
        Thickness of a slice, in the unit of the pixel size. By default what the file states, or slices that touch.
    spacing : float, optional
        Distance of slices, in the same unit. By default the pixel size along `axis`; the result's pixel size follows.
    psf : Image or mapping of str to float, optional
        Point-spread function of the microscope, as `measure_psf` or `psf_sigma` returns it. Its extra width
        along `axis` takes the place of `thickness`.
    minutes : float
        Most time for learning. 600 steps are done if they take less.
    seed : int
        Of the weights, patches and noise.
    force : bool
        Go on where the checks on the stack speak against it.
    """

    axis: str
    profile: Profile
    thickness: float | None
    spacing: float | None
    psf: PsfOption
    minutes: float
    seed: int
    force: bool


ISOTROPIC_DEFAULTS: IsotropicOptions = {
    "axis": "Z",
    "profile": "auto",
    "thickness": None,
    "spacing": None,
    "psf": None,
    "minutes": 3.0,
    "seed": 0,
    "force": False,
}
"""Default of each option."""
