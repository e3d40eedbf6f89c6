"""Several windows at once on the CPU: each in a thread of its own, so that none waits for another.

A convolution that is divided among threads waits for the slowest of them at every layer, which costs
a few per cent on an idle machine and most of the time on a busy one. Windows need nothing of each other.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

Start = Callable[[Callable[[], Any]], Callable[[], Any]]
"""Starts a task and returns what waits for its result."""


@contextmanager
def lanes(count: int) -> Iterator[Start]:
    """Give what starts tasks in so many threads, torch's own threads divided among them.

    With one lane a task is done when its result is asked for, in the calling thread.
    """
    if count == 1:
        yield lambda task: task
        return
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "lane", torch.set_num_threads, (max(1, threads // count),))
    try:
        yield lambda task: pool.submit(task).result
    finally:
        pool.shutdown(cancel_futures=True)
        # Setting it in one thread sets what later threads begin with.
        torch.set_num_threads(threads)
