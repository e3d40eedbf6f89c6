"""Every error the package raises on purpose: one root, standard parents, one clear line each.

Messages state what must hold, what was found and what to do. Libraries raise them;
only the command line and the plugin catch them.
"""


class SuperResError(Exception):
    """Root of all errors that a user can mend."""

    def __str__(self) -> str:
        # KeyError prints its argument's repr; a message is for people.
        return str(self.args[0]) if self.args else self.__class__.__name__


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
