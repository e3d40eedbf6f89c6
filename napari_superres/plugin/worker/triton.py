"""Keeping two copies of LLVM apart: that of the graphics driver and that of Triton."""

import os
import sys
from importlib.util import find_spec


def load_triton() -> None:
    """Import Triton, if it is installed, so that it uses its own LLVM.

    Call it in a thread before anything imports ``torch._dynamo``, as optimisers, Lightning and torchvision do.

    Notes
    -----
    Mesa's drivers load LLVM for the whole process, and what is loaded later takes their symbols for its own: on Linux
    the import of Triton then ends the program, in any thread, when a canvas has been drawn by such a driver (software
    rendering, many AMD cards). ``RTLD_DEEPBIND`` lets it look at its own symbols first.
    """
    if "triton" in sys.modules or not hasattr(os, "RTLD_DEEPBIND") or find_spec("triton") is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        import triton  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        pass  # torch does without it, too
    finally:
        sys.setdlopenflags(flags)
