"""The progress bar of a run in napari's activity dock."""

from typing import Any


class Activity:
    """A progress bar in the activity dock.

    This is no Qt object, so it can be closed after the Qt part of its panel is gone. It also is the bar's output file,
    so that nothing is printed to the terminal.

    Parameters
    ----------
    description
        Text next to the bar.
    """

    def __init__(self, description: str) -> None:
        self._description = description
        self._bar: Any = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the user pressed the bar's own cancel button."""
        return self._bar is not None and self._bar.is_canceled

    def show(self, done: int, total: int) -> None:
        """Show how much is done. Call it last in a slot, because napari processes new events meanwhile.

        Parameters
        ----------
        done, total
            Finished and all steps.
        """
        from napari.utils import cancelable_progress

        if self._bar is None:
            self._bar = cancelable_progress(total=total, desc=self._description, file=self)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Remove the bar if it is shown."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def write(self, _: str) -> None:
        """Print nothing."""

    def flush(self) -> None:
        """Print nothing."""
