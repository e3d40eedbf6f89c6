"""Every error the package raises on purpose: one root, standard parents, one clear line each.

A message states what must hold and what was found; the remedy says what to do. Both name settings and functions as
Python does, in backticks: ``Set `overwrite` or choose another name.`` The command line and the plugin, the only places
that catch errors, spell them as their users know them, with `spelled`.
"""

import re
from collections.abc import Callable

_MENTION = re.compile(r"`([A-Za-z_]+)(?:(\(\))|=([^`]*))?`")


class SuperResError(Exception):
    """Root of all errors that a user can mend.

    Parameters
    ----------
    message
        What must hold, and what was found.
    remedy
        What to do, in a sentence of its own.
    """

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    @property
    def message(self) -> str:
        """What must hold, and what was found."""
        return str(self.args[0])

    def __str__(self) -> str:
        # KeyError would print the repr of its argument; a message is for people.
        return f"{self.message} {self.remedy}".strip() or self.__class__.__name__


def spelled(text: str, setting: Callable[[str, str], str], function: Callable[[str], str]) -> str:
    """Return a text for users of one face, with the settings and functions in it spelled as they know them.

    Parameters
    ----------
    text
        A message with settings (`` `overwrite` ``, `` `max_passes=16` ``) and functions (`` `verify_models()` ``) in
        backticks.
    setting
        Spells a setting, given its name and its value; the value is empty where the text names none.
    function
        Spells a function, given its name.
    """

    def spell(found: re.Match[str]) -> str:
        name, call, value = found.groups()
        return function(name) if call else setting(name, (value or "").strip("'\""))

    return _MENTION.sub(spell, text)


class AxesError(SuperResError, ValueError):
    """Axes do not describe the array, or an axis has no pixels."""


class DataTypeError(SuperResError, TypeError):
    """The array's data type cannot be super-resolved (complex, bool, object)."""


class GridError(SuperResError, ValueError):
    """Pixel size, origin or orientation are impossible or do not fit together."""


class SettingsError(SuperResError, ValueError):
    """An option has a value that cannot be used with this image or model."""


class UnknownModelError(SuperResError, KeyError):
    """No model has this name."""


class ModelFileError(SuperResError, ValueError):
    """A model file is damaged, unsafe, or made by a newer version."""


class UntrustedModelError(ModelFileError):
    """A model is a program, and the user has not allowed it to run."""


class DeviceError(SuperResError, RuntimeError):
    """The computing device asked for is not there."""


class TileTooLargeError(SuperResError, MemoryError):
    """Not even the smallest tile fits into the memory of any device."""


class UnreadableImageError(SuperResError, OSError):
    """A file is missing, empty, damaged, or not an image that is understood."""


class SeriesError(UnreadableImageError):
    """A file or folder holds several images and none was chosen."""


class OutputExistsError(SuperResError, FileExistsError):
    """The target exists and overwriting was not asked for."""


class OutputError(SuperResError, OSError):
    """The target cannot be written: no permission, no space."""


class LossyWriteError(SuperResError, ValueError):
    """The format cannot hold what the image has, and losing it was not allowed."""


class MissingExtraError(SuperResError, ImportError):
    """An optional library is not installed."""


class EvaluationError(SuperResError, ValueError):
    """Two images cannot be compared."""


class TrainingError(SuperResError, ValueError):
    """Training cannot start or go on."""


class SuperResWarning(UserWarning):
    """Something the user should know about a result that was made all the same."""
