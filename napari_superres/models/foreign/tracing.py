"""Tracing of networks in a process that draws."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_COMPILER = "triton"


@contextmanager
def without_compiler() -> Iterator[None]:
    """Keep torch's tracing from importing triton, which is there for GPUs and not needed for it.

    Its LLVM and the one of Mesa's OpenGL, which napari may draw with, end the process when the second is loaded.
    """
    if _COMPILER in sys.modules:
        yield
        return
    sys.modules[_COMPILER] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_COMPILER]
