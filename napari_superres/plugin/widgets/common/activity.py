"""The bar of a run in napari's activity dock."""

from typing import Any


class Activity:
    """A bar in the activity dock, and the place where it prints: nowhere.

    It is no Qt object, so that it can still be closed when a panel's Qt part is gone.

    Parameters
    ----------
    doing
        Said beside the bar.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._bar: Any = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the bar's own button was pressed."""
        return self._bar is not None and self._bar.is_canceled

    def show(self, done: int, total: int) -> None:
        """Show how far it is; napari lets new events in meanwhile, so this comes last in a slot."""
        from napari.utils import cancelable_progress

        if self._bar is None:
            self._bar = cancelable_progress(total=total, desc=self._doing, file=self)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away, if there is one."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def write(self, _: str) -> None:
        """Print nothing."""

    def flush(self) -> None:
        """Print nothing."""
