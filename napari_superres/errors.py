"""Every error that this package raises on purpose.

All errors have the root `SuperResError`, and a standard Python error as a second parent where one fits. The message
states what must hold and what was found, in one line; the remedy says what to do. Both name settings and functions in
backticks, as Python does: ``Set `overwrite` or choose another name.`` Only the command line and the plugin catch
errors. With `spelled`, they show settings and functions by the names that their users know.
"""

import re
from collections.abc import Callable
from typing import Self

_MENTION = re.compile(r"`([A-Za-z_]+)(?:(\(\))|=([^`]*))?`")


class SuperResError(Exception):
    """Root of all errors that a user can correct.

    Parameters
    ----------
    message
        What must hold, and what was found.
    remedy
        What to do, in a separate sentence. Empty if the message says it.
    """

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    @property
    def message(self) -> str:
        """What must hold, and what was found."""
        return str(self.args[0])

    def __str__(self) -> str:
        # KeyError would show the repr of its argument, with quotes around the message.
        return f"{self.message} {self.remedy}".strip() or self.__class__.__name__


def spelled(text: str, setting: Callable[[str, str], str], function: Callable[[str], str]) -> str:
    """Return a text whose settings and functions have the names that the users of one interface know.

    Parameters
    ----------
    text
        A message with settings (`` `overwrite` ``, `` `max_passes=16` ``) and functions (`` `verify_models()` ``) in
        backticks.
    setting
        Return the name of a setting for these users, such as ``--max-passes 16``, from its Python name and its value.
        The value is empty if the text names none.
    function
        Return the name of a function for these users, such as ``superres models verify``, from its Python name.
    """

    def spell(mention: re.Match[str]) -> str:
        name, call, value = mention.groups()
        return function(name) if call else setting(name, (value or "").strip("'\""))

    return _MENTION.sub(spell, text)


class AxesError(SuperResError, ValueError):
    """The axes do not describe the array, or an axis has no pixels."""


class DataTypeError(SuperResError, TypeError):
    """The data type of the array cannot be super-resolved (complex, bool, object)."""


class GridError(SuperResError, ValueError):
    """A pixel size, origin or orientation is impossible, or they do not fit together."""


class SettingsError(SuperResError, ValueError):
    """An option is unknown, or its value cannot be used with this image or model."""


class UnknownKindError(SettingsError):
    """A model shall be chosen by itself, and nothing tells what the image shows."""


class UnknownModelError(SuperResError, KeyError):
    """No model has the requested name."""


class ModelFileError(SuperResError, ValueError):
    """A model file is damaged, unsafe, or made by a newer version."""


class UntrustedModelError(ModelFileError):
    """A model file contains code, and the user has not allowed it to run."""


class DeviceError(SuperResError, RuntimeError):
    """The requested computing device is not available."""


class TileTooLargeError(SuperResError, MemoryError):
    """Not even the smallest tile fits into the memory of any device."""

    def __new__(cls, *args: object, **_: object) -> Self:
        """Create the error as `Exception` does: `MemoryError` refuses when dask sends one from a worker."""
        return Exception.__new__(cls, *args)


class UnreadableImageError(SuperResError, OSError):
    """A file is missing, empty, damaged, or of a format that cannot be read."""


class SeriesError(UnreadableImageError):
    """A file or folder holds several images, and the caller chose none of them."""


class OutputExistsError(SuperResError, FileExistsError):
    """The target exists, and the caller did not allow overwriting."""


class OutputError(SuperResError, OSError):
    """The target cannot be written, for lack of permission or space."""


class LossyWriteError(SuperResError, ValueError):
    """The format cannot store a feature of the image, and the caller did not allow its loss."""


class MissingExtraError(SuperResError, ImportError):
    """An optional library is not installed."""


class EvaluationError(SuperResError, ValueError):
    """Two images cannot be compared."""


class TrainingError(SuperResError, ValueError):
    """Training cannot start or continue."""


class SuperResWarning(UserWarning):
    """A fact about a result that its user should know, such as a feature that the file could not store."""
