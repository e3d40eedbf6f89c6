"""The memory that is free now."""

import os


def free_memory() -> int:
    """Return the number of bytes that programs can still get without swapping.

    Where psutil is not installed, memory that the system holds for its file cache does not count.
    """
    try:
        import psutil
    except ImportError:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(psutil.virtual_memory().available)
