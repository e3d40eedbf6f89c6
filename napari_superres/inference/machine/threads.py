"""Several tiles at once on the CPU, each in a thread of its own, so that none waits for another.

A convolution that is divided among threads waits for the slowest of them at every layer. That costs a few per cent on
an idle computer and most of the time on a busy one. Tiles need nothing of each other.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

Submit = Callable[[Callable[[], Any]], Callable[[], Any]]
"""Starts a task and returns a function that waits for its result."""


@contextmanager
def parallel_threads(count: int) -> Iterator[Submit]:
    """Yield a `submit` function backed by `count` threads, among which torch's own threads are divided.

    With one thread, a task runs when its result is asked for, in the calling thread.
    """
    if count == 1:
        yield lambda task: task
        return
    with thread_count(torch.get_num_threads()):
        pool = ThreadPoolExecutor(count, "tiles", torch.set_num_threads, (max(1, torch.get_num_threads() // count),))
        try:
            yield lambda task: pool.submit(task).result
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """Let torch use `count` threads in this thread while the block lasts."""
    before = torch.get_num_threads()
    if before != count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        # Setting the count in one thread also sets what later threads start with, so it is always set again.
        torch.set_num_threads(before)
