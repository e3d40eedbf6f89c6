"""`Source`: the input file of a run, how a record identifies it, and whether it stays the same while it is read."""

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from napari_superres import io
from napari_superres.errors import UnreadableImageError
from napari_superres.inference.options import ReadingOptions

_PAUSE = 100
"""Looking for changes takes at most one part in so many of a run's time: a folder may hold a million files."""


class Source:
    """An input file.

    Parameters
    ----------
    path, reading
        Where it is, and the options of `read_image` for it.

    Attributes
    ----------
    path, reading
        As given.
    image
        Its image, read lazily.

    Raises
    ------
    UnreadableImageError
        As `read_image`.
    """

    def __init__(self, path: Path, reading: ReadingOptions) -> None:
        self.path, self.reading = path, reading
        # Before the first byte is read, so that whatever happens later is noticed.
        self._states = {io.file_state(path, exact=True)}
        self._changed, self._looked, self._took = False, 0.0, 0.0
        self.image = io.read_with_notes(path, **reading)

    @cached_property
    def digest(self) -> str:
        """Its sha256, of all files of a folder."""
        digest = io.file_digest(self.path)
        if io.file_state(self.path, exact=True) not in self._states:
            self._changed = True
        return digest

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the image that is made of these bytes, as plain values: series, axes, units and place."""
        image = self.image
        return {
            "series": self.reading["series"] or 0,
            "axes": image.axes,
            "units": dict(image.units),
            "affine": image.affine.tolist(),
        }

    def identity(self) -> dict[str, Any]:
        """Return how the record of a result identifies the input: digest, series, and its name if that is no secret."""
        identity: dict[str, Any] = {"sha256": self.digest, "series": self.facts["series"]}
        if not io.is_anonymous(self.path):
            identity["name"] = self.path.name
        if self.path.is_dir():  # Its digest takes longer than the look at a finished result should.
            identity["state"] = io.file_state(self.path)
        return identity

    def is_same_as(self, recorded: Mapping[str, Any]) -> bool:
        """Return whether the record of an input is that of this one, under whatever name and times of its files."""
        if any(recorded.get(name) != value for name, value in self.facts.items()):
            return False
        return recorded.get("state") == io.file_state(self.path) or recorded.get("sha256") == self.digest

    def has_changed(self) -> bool:
        """Look whether the input is what it was before it was read. Another name, time or owner is no change."""
        begun = time.monotonic()
        state = io.file_state(self.path, exact=True)
        if state not in self._states:
            try:
                before = self.digest
                if io.file_digest(self.path) != before:
                    self._changed = True
            except UnreadableImageError:
                self._changed = True
            self._states.add(state)
        self._looked = time.monotonic()
        self._took = self._looked - begun
        return self._changed

    @property
    def is_look_due(self) -> bool:
        """Whether enough time has passed since the last look."""
        return time.monotonic() - self._looked >= _PAUSE * self._took

    def check_unchanged(self) -> None:
        """Check that the input is what it was before it was read.

        Raises
        ------
        UnreadableImageError
            If it is not.
        """
        if self.has_changed():
            raise UnreadableImageError(
                f"{self.path} changed while it was read, so the result would be of no single image.",
                remedy="Wait until nothing writes to it, and run again.",
            )
