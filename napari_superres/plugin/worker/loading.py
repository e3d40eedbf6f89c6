"""The models that jobs use, kept in memory: the last two."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superres.plugin.worker.triton import load_triton

if TYPE_CHECKING:
    from napari_superres.models import Model

ModelNames = str | Mapping[int, str]
"""A model by name or file, or one per channel."""


def load_models(model: ModelNames) -> Any:
    """Return a model, or one per channel. A file that was replaced is loaded again.

    Raises
    ------
    SuperResError
        If there is no such model, or its file cannot be read.
    """
    if isinstance(model, Mapping):
        return {channel: load_models(one) for channel, one in model.items()}
    path = Path(model)
    return _load(model, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=2)
def _load(model: str, changed: int) -> "Model":
    del changed
    from napari_superres.models import find_card, load_model
    from napari_superres.models.foreign.foreign_model import FOREIGN_ARCHITECTURES

    if find_card(model).architecture in FOREIGN_ARCHITECTURES:
        load_triton()
    return load_model(model)
