"""How much memory a pass may use, and the settings of the C allocator in our own processes."""

import ctypes
import sys

from napari_superres.limits import free_memory

MMAP_LIMIT = 32 * 2**20
"""Size in bytes above which freed blocks return to the kernel, unless the allocator was tuned."""

TRIM_LIMIT = 2 * MMAP_LIMIT
"""Size in bytes above which free memory at the end of the heap returns to the kernel, unless the allocator was tuned.

glibc keeps twice the largest block that it does not map on its own (mallopt(3), ``M_TRIM_THRESHOLD``).
"""

_CPU_BUDGET = 2 * 2**30
_GPU_SHARE, _CPU_SHARE = 0.6, 0.25
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_ARENA_MAX": "1"}

_tuned = False


def allocator_environment() -> dict[str, str]:
    """Return environment variables that set in a new process what `tune_allocator` sets in this one.

    A thread keeps its arena. Once threads run, it is too late to have only one arena.
    """
    return dict(_ENVIRONMENT) if sys.platform == "linux" else {}


def tune_allocator() -> bool:
    """Make glibc keep large freed blocks, and return whether that was possible. For processes of our own only.

    Otherwise every large activation is unmapped after use, and page faults take up to half of the time.
    """
    global _tuned  # noqa: PLW0603 - The allocator is tuned once per process.
    if sys.platform == "linux" and not _tuned:
        try:
            mallopt = ctypes.CDLL("libc.so.6").mallopt
        except (OSError, AttributeError):
            return False
        # One arena: threads do not share the blocks that their arenas keep, and an arena holds at most 64 MiB.
        settings = ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_ARENA_MAX, 1))
        _tuned = all(mallopt(*setting) for setting in settings)
    return _tuned


def is_tuned() -> bool:
    """Return whether this process keeps large freed blocks."""
    return _tuned


def budget(device: str) -> int:
    """Return the number of bytes that one pass may use on a device."""
    import torch

    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * _GPU_SHARE)
    return int(min(_CPU_BUDGET, free_memory() * _CPU_SHARE))
