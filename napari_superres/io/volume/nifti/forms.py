"""The two matrices of a NIfTI file: sform and qform, each with a code that names its space.

The sform is used if it has a code, else the qform, else the ANALYZE convention, as nibabel does. What is needed to
write both again is kept in ``Image.metadata["nifti"]``: a result has a finer grid, and both matrices must place it as
they placed its input. Therefore the other matrix is kept as the way from the space that was used to the other space.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.io.series import import_library

Matrix = npt.NDArray[np.float64]

FACTS = "nifti"
"""Key of the facts about the matrices in the metadata of an image."""

_REVERSE = np.eye(4)[[2, 1, 0, 3]]
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Part of a pixel by which a matrix may be off after it is stored as a rotation with 32-bit numbers.
_EXACT = 0.02
_NO_FORM = (
    "this file states no orientation (neither a sform nor a qform): its directions are a guess by the convention of "
    "ANALYZE, and left may be right"
)


def to_array_order(affine: npt.ArrayLike) -> Matrix:
    """Return nibabel's matrix (X first, right-anterior-superior) in array order and left-posterior-superior."""
    turned: Matrix = _REVERSE @ _LPS @ np.asarray(affine, dtype=np.float64) @ _REVERSE
    return turned


def to_file_order(affine: npt.ArrayLike) -> Matrix:
    """Return a matrix in array order and left-posterior-superior as nibabel's."""
    turned: Matrix = _LPS @ _REVERSE @ np.asarray(affine, dtype=np.float64) @ _REVERSE
    return turned


def read_forms(header: Any, shape: tuple[int, ...]) -> tuple[Matrix, dict[str, Any], tuple[str, ...]]:
    """Return the matrix of a file, what is needed to write both again, and notes on them.

    Parameters
    ----------
    header
        nibabel's header.
    shape
        Lengths of the axes, X first.

    Returns
    -------
    affine : ndarray
        ``(4, 4)``, X first, right-anterior-superior, in the unit of the file.
    facts : dict
        ``used`` (``"sform"``, ``"qform"`` or ``"none"``), the name of its space as ``code``, and of the other matrix
        the name of its space as ``other_code`` and ``other``: the matrix from the used space to that one.
    notes : tuple of str
    """
    found, notes = {}, []
    for name in ("sform", "qform"):
        matrix, code = getattr(header, f"get_{name}")(coded=True)
        if matrix is None:
            continue
        if np.all(np.isfinite(matrix)) and np.linalg.matrix_rank(matrix[:3, :3]) == 3:
            found[name] = (np.asarray(matrix, dtype=np.float64), _code_name(int(code)))
        else:
            notes.append(f"the {name} of this file is not used: it cannot be inverted")
    if not found:
        return np.asarray(header.get_base_affine(), np.float64), {"used": "none"}, (*notes, _NO_FORM)
    used, *others = found
    affine, code = found[used]
    facts: dict[str, Any] = {"used": used, "code": code}
    for other in others:
        matrix, other_code = found[other]
        facts |= {"other_code": other_code, "other": (matrix @ np.linalg.inv(affine)).tolist()}
        distance = _largest_distance(affine, matrix, shape)
        if distance > min(np.linalg.norm(affine[:3, :3], axis=0)):
            notes.append(
                f"the sform ({code}) and the qform ({other_code}) of this file place the image up to {distance:.3g} "
                f"{header.get_xyzt_units()[0].replace('unknown', 'mm')} apart: the sform was used"
            )
    return affine, facts, tuple(notes)


def write_forms(header: Any, affine: Matrix, facts: Mapping[str, Any]) -> None:
    """Set sform and qform of a header whose shape is set.

    Parameters
    ----------
    header
        nibabel's header.
    affine
        ``(4, 4)`` matrix of the image, X first, right-anterior-superior, in the unit of the file.
    facts
        As `read_forms` returned them; empty for images that were never NIfTI.
    """
    used, code = facts.get("used"), facts.get("code", "scanner")
    shape = tuple(int(n) for n in header.get_data_shape())
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    header.set_qform(affine, 0)
    if used == "none":
        header.set_sform(None, 0)
        if _largest_distance(header.get_base_affine(), affine, shape) < _EXACT * sizes.min():
            return
        code = "aligned"
    is_rotation = _largest_distance(header.get_qform(), affine, shape) < _EXACT * sizes.min()
    if used == "qform" and is_rotation:
        header.set_sform(None, 0)
        header.set_qform(affine, code)
        return
    header.set_sform(affine, code)
    if "other" in facts:
        other = np.asarray(facts["other"], dtype=np.float64) @ affine
        header.set_qform(other, facts["other_code"])
        if _largest_distance(header.get_qform(), other, shape) > _EXACT * sizes.min():
            header.set_qform(affine, 0)
    elif used is None and is_rotation:
        header.set_qform(affine, code)


def _largest_distance(first: Matrix, second: Matrix, shape: tuple[int, ...]) -> float:
    """Return how far apart two matrices place a corner of the image."""
    ends = [(0, n - 1) for n in (*shape, 1, 1)[:3]]
    corners = np.array([[x, y, z, 1.0] for x in ends[0] for y in ends[1] for z in ends[2]])
    return float(np.linalg.norm(corners @ (np.asarray(first) - second).T, axis=1).max())


def _code_name(code: int) -> str:
    return str(import_library("nibabel.nifti1").xform_codes.label[code])
