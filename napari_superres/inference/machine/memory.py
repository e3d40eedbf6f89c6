"""How much memory a pass may use, and the C allocator of processes that are ours alone."""

import ctypes
import sys

import psutil
import torch

MMAP_LIMIT = 32 * 2**20
"""Blocks above this size are handed back to the kernel at each release, unless the allocator was tuned."""

_CPU_BUDGET = 2 * 2**30
_GPU_SHARE, _CPU_SHARE = 0.6, 0.25
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_ARENA_MAX": "1"}

_tuned = False


def allocator_environment() -> dict[str, str]:
    """Return the environment in which a new process has from its start what `tune_allocator` sets.

    A thread keeps the arena that it has: where there are threads already, it is too late to have only one.
    """
    return dict(_ENVIRONMENT) if sys.platform == "linux" else {}


def tune_allocator() -> bool:
    """Make glibc keep large blocks, in a process of our own; return whether that was possible.

    Otherwise every large activation is unmapped after use, and page faults take up to half of the time.
    """
    global _tuned  # noqa: PLW0603 - a fact about this process
    if sys.platform == "linux" and not _tuned:
        try:
            mallopt = ctypes.CDLL("libc.so.6").mallopt
        except (OSError, AttributeError):
            return False
        # One arena: those of threads hold at most 64 MiB at a time, and do not give each other what they keep.
        wanted = ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_ARENA_MAX, 1))
        _tuned = all(mallopt(*setting) for setting in wanted)
    return _tuned


def is_tuned() -> bool:
    """Return whether large blocks are kept by this process."""
    return _tuned


def budget(device: str) -> int:
    """Return the bytes one pass may use on a device."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * _GPU_SHARE)
    return int(min(_CPU_BUDGET, psutil.virtual_memory().available * _CPU_SHARE))
