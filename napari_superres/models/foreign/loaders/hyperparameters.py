"""Objects that training programs save next to the weights, replaced by empty ones: none of their code runs.

torch's reader of weights refuses a file that names any other class. For the classes named here it gets `Empty` instead,
which takes whatever the file gives it and does nothing. Other classes, such as those of networks, are refused still.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NAMES = (
    "argparse.Namespace",
    "easydict.EasyDict",
    "functools.partial",
    "munch.Munch",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.nodes.AnyNode",
    "typing.Any",
    "types.SimpleNamespace",
    "collections.defaultdict",
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("int", "float", "str", "list", "dict")),
    "collections.deque",
    "datetime.datetime",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *(f"pathlib._local.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *(
        f"{package}.utilities.parsing.AttributeDict"
        for package in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric")
    ),
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "mmengine.config.config.ConfigDict",
    "mmcv.utils.config.ConfigDict",
    "mmengine.logging.history_buffer.HistoryBuffer",
)
"""Classes and functions by which training programs keep their settings and counters."""


class Empty(dict):  # type: ignore[type-arg]
    """Stands for an object of a class that is not loaded. Whatever it is given is left out."""

    def __new__(cls, *_: Any, **__: Any) -> "Empty":
        """Return an empty object."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, _: Any) -> None:
        """Leave out the object's state."""

    def __setitem__(self, *_: Any) -> None:
        """Leave out an entry."""

    def append(self, _: Any) -> None:
        """Leave out an element."""

    def extend(self, _: Any) -> None:
        """Leave out elements."""


@contextmanager
def emptied() -> Iterator[None]:
    """Let torch's reader of weights replace the objects of `_NAMES` by `Empty` ones."""
    from torch.serialization import safe_globals

    with safe_globals([(Empty, name) for name in _NAMES]):
        yield
