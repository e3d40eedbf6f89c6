"""Keep the LLVM of the graphics driver and the LLVM of Triton apart."""

import os
import sys
from importlib.util import find_spec


def load_triton() -> None:
    """Import Triton with its own LLVM, if it is installed.

    Call it in a thread before anything imports ``torch._dynamo``, as optimisers, Lightning and torchvision do.

    Notes
    -----
    Mesa's drivers (software rendering, many AMD cards) load LLVM for the whole process, and libraries that are loaded
    later use its symbols instead of their own. On Linux, importing Triton after such a driver has drawn a canvas
    therefore ends the program, in any thread. With ``RTLD_DEEPBIND``, Triton prefers its own symbols.
    """
    if "triton" in sys.modules or not hasattr(os, "RTLD_DEEPBIND") or find_spec("triton") is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        import triton  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        pass  # torch also works without Triton.
    finally:
        sys.setdlopenflags(flags)
