"""tifffile without messages on stderr."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_tifffile() -> Iterator[None]:
    """Keep tifffile's log messages off stderr in this block, unless the program listens to them.

    tifffile logs damage, which Python prints if no handler is set. This package raises errors instead.
    """
    logger, handler = logging.getLogger("tifffile"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
