"""Facts from the header of a volume, and the check of compressed pixels that its formats share."""

from dataclasses import dataclass
from pathlib import Path

from napari_superres.io.series import check_claim, damage_error
from napari_superres.limits import Codec, unpacked_length


@dataclass(frozen=True, slots=True)
class VolumeHeader:
    """Facts from a header that SimpleITK does not pass on.

    Attributes
    ----------
    unit
        Unit of the lengths that SimpleITK returns; None if the pixel size is unknown.
    medical
        Whether the world is the frame of a patient.
    time
        Step and unit of the fourth axis, or None.
    last
        ``"T"`` if the header says that the last axis is time, else None.
    components
        Letter of the components of a pixel: ``"S"`` for colours or ``"C"``; None if the header does not say.
    """

    unit: str | None
    medical: bool
    time: tuple[float, str] | None = None
    last: str | None = None
    components: str | None = None


def check_packed(path: Path, kind: str, data_file: Path, start: int, codec: Codec, needed: int) -> bool:
    """Check that compressed pixels are as long as the header says, by unpacking them without holding them.

    Parameters
    ----------
    path, kind
        As in `damage_error`.
    data_file, start
        File with the pixels, and the position of their first packed byte.
    codec
        How they are packed.
    needed
        Their length by the header, in bytes.

    Returns
    -------
    bool
        Whether they are no longer than that.

    Raises
    ------
    UnreadableImageError
        If they are shorter.
    """
    stored = data_file.stat().st_size - start
    check_claim(path, kind, needed, stored, "deflate" if codec != "bz2" else "other")
    with data_file.open("rb") as file:
        file.seek(start)
        try:
            present = unpacked_length(file, codec, needed)
        except EOFError as error:
            raise damage_error(path, kind, "its compressed data are cut off") from error
    check_claim(path, kind, needed, present)
    return present == needed
