"""`verify_result`: check that a file is the output of the input and the model that its record names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_superres import io
from napari_superres.core.image import Image
from napari_superres.errors import SettingsError, SuperResError
from napari_superres.inference.provenance import package_version
from napari_superres.inference.verify.records import Record, find_file, find_model, open_input, parts_of, read_record
from napari_superres.inference.verify.steps import repeat_step
from napari_superres.inference.verify.tiles import check_tiles

State = Literal["yes", "no", "not known"]

_MOST_STEPS = 20
"""Longest chain of files that is followed: records of files that were copied may lead in a circle."""

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes
    ----------
    file
        The file that it concerns: its name, or for medical images the format and the start of the sha256.
    subject
        ``"result"``, ``"input"``, ``"model"`` or ``"pixels"``.
    state
        Whether it is what the record says.
    reason
        What was compared, with numbers, and what to do.
    share
        Share of it that was compared.
    """

    file: str
    subject: str
    state: State
    reason: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a file is the output of its recorded input and model.

    Attributes
    ----------
    file
        As in `Check`.
    made_from
        The files that it was made from, one after the other, the newest first, and in brackets what made it of each.
    checks
        Everything that was checked, of the result first and then of each file that it was made from.
    """

    file: str
    made_from: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def state(self) -> State:
        """``"yes"`` if every check says so, ``"no"`` if one denies it, else ``"not known"``."""
        states = {check.state for check in self.checks}
        return "no" if "no" in states else "yes" if states == {"yes"} else "not known"

    def __str__(self) -> str:
        made = " <- ".join(self.made_from)
        if self.state == "yes":
            least = min(check.share for check in self.checks)
            seen = "" if least == 1 else f", as far as {format_share(least)} of its pixels tell"
            return f"{self.file} is the output of {made}{seen}"
        wrong = [check for check in self.checks if check.state == self.state]
        which = "; ".join(f"{c.subject} of {c.file}" for c in wrong)
        if self.state == "no":
            return f"{self.file} is NOT the output of {made or 'what its record names'}: {which}"
        return f"it is not known whether {self.file} is the output of {made or 'what its record names'}: {which}"


def verify_result(
    result: str | Path,
    *,
    inputs: Iterable[str | Path] = (),
    model: str | Path | None = None,
    tiles: int = 16,
    seed: int | None = None,
) -> Verification:
    """Check that a file is the output of the input and the model that its record names.

    The digests of result, input and model are compared with those of the record, and tiles are computed again: all of a
    small image, a few random ones of a large one. If the input has a record of its own, of `degrade_file`,
    `resample_file` or another model, it is checked too,
    and so on. A record is not signed, so this finds mistakes, and changes of single files, but no forgery that makes
    result and record anew.

    Parameters
    ----------
    result
        File or folder of the result, of any format, with its record.
    inputs
        Files that it was made from, or folders to search for them by digest. The folder of the result is always
        searched, and by the recorded name the folder above and those in it.
    model
        Name or file of the model; by default it is found by its name or its digest.
    tiles
        Largest number of tiles of 48 x 48 pixels of the input (6 planes of them for 3-D models), at least 1.
    seed
        Chooses the tiles; None chooses others each time.

    Returns
    -------
    Verification
        Its ``state`` is ``"yes"`` only if everything was checked and found right.

    Raises
    ------
    SettingsError
        If the result has no record, or `tiles` is below 1.
    UnreadableImageError
        If the result cannot be read.
    UnknownModelError, ModelFileError
        If the model that was given does not exist or cannot be used.
    """
    if tiles < 1:
        raise SettingsError(f"`tiles` must be at least 1, got {tiles}.")
    random, given = np.random.default_rng(seed), tuple(inputs)
    path, made_from, checks = io.InputPath(result), [], []
    first = path
    record: Record | None = read_record(path)
    for _ in range(_MOST_STEPS):
        if record is None:
            break
        walk = _Link(path, record, given, model if path is first else None, tiles, random)
        checks += list(walk.checks())
        made_from.append(walk.origin)
        if walk.input is None:
            break
        path = io.InputPath(walk.input)
        try:
            record = read_record(path)
        except SettingsError:
            record = None
    return Verification(io.short_label(first), tuple(made_from), tuple(checks))


def format_share(share: float) -> str:
    """Return a share of pixels in percent, never rounded up to all of them."""
    return f"{min(100 * share, 99.9):.2g} %"


class _Link:
    """One file of a chain and the file that it was made from."""

    def __init__(
        self,
        path: Path,
        record: Record,
        given: tuple[str | Path, ...],
        model: str | Path | None,
        tiles: int,
        random: np.random.Generator,
    ) -> None:
        self.path, self.record, self.given, self.model = path, record, given, model
        self.tiles, self.random = tiles, random
        self.label = io.short_label(path)
        self.input: Path | None = None
        self.origin = ""

    def checks(self) -> Iterator[Check]:
        """Yield the checks of this file; `input` and `origin` are known afterwards."""
        try:
            yield self._result()
            yield self._input()
            if "operation" in self.record:
                self.origin = f"{self._input_name()} ({self.record['operation']})"
                yield self._check("pixels", *self._step_pixels())
            else:
                names = " + ".join(dict.fromkeys(str(p["model"]["name"]) for p in parts_of(self.record)))
                self.origin = f"{self._input_name()} and the model {names}"
                yield from self._models()
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            if isinstance(error, SuperResError):
                raise
            yield self._check("record", "no", f"its record is damaged ({type(error).__name__})")

    def _check(self, subject: str, state: State, reason: str) -> Check:
        return Check(self.label, subject, state, reason)

    def _input_name(self) -> str:
        return "its input" if self.input is None else io.short_label(self.input)

    def _result(self) -> Check:
        expected = (self.record.get("result") or {}).get("sha256")
        if expected is None:
            return self._check("result", "not known", "its record holds no digest of it")
        actual = io.file_digest(self.path)
        if actual == expected:
            return self._check("result", "yes", f"it has the recorded sha256 {actual[:_DIGITS]}")
        reason = f"it is not the file that was written: sha256 {actual[:_DIGITS]}, recorded {expected[:_DIGITS]}"
        return self._check("result", "no", reason)

    def _input(self) -> Check:
        entry = self.record["input"]
        digest = entry.get("sha256")
        if digest is None:
            return self._check("input", "not known", "the record does not identify it: it was no file")
        self.input, others = find_file(entry, self.path, self.given)
        named = ", ".join(io.short_label(other) for other in others)
        if self.input is not None:
            besides = f"; {named}, found too, is another file" if others else ""
            reason = f"{self._input_name()} has the recorded sha256 {digest[:_DIGITS]}{besides}"
            return self._check("input", "yes", reason)
        if others:
            return self._check("input", "no", f"{named} is another file: the record names sha256 {digest[:_DIGITS]}")
        reason = f"no file with sha256 {digest[:_DIGITS]} was found; give it, or its folder, as `inputs`"
        return self._check("input", "not known", reason)

    def _models(self) -> Iterator[Check]:
        first, image = 0, None
        for part in parts_of(self.record):
            entry = part["model"]
            model = find_model(entry, self.model)
            digest = f"sha256 {entry['sha256'][:_DIGITS]}" if entry["sha256"] else "an interpolation"
            if model is None:
                state: State = "not known" if self.model is None else "no"
                reason = f"{entry['name']} ({digest}) is not here; give its file as `model`"
                if self.model is not None:
                    reason = f"the model given is not {entry['name']} ({digest})"
                yield self._check("model", state, reason)
            else:
                yield self._check("model", "yes", f"{model.card.name} is the recorded one ({digest})")
            if model is None or self.input is None:
                missing = "the model" if model is None else "the input"
                yield self._check("pixels", "not known", f"nothing was computed again without {missing}")
            else:
                image = open_input(self.input, self.record["input"]) if image is None else image
                yield self._pixels(image, part, model, first)
            first += len(part["channels"])

    def _pixels(self, image: Image, part: Record, model: Any, first: int) -> Check:
        result = io.read_image(self.path)
        found = check_tiles(result, image, part, model, first, self.tiles, self.random)
        which = "all pixels" if found.share == 1 else f"{format_share(found.share)} of the pixels"
        if not found.differing:
            reason = f"{which}, computed again, agree to {found.largest:.3g}"
            return Check(self.label, "pixels", "yes", reason, found.share)
        reason = (
            f"{len(found.differing)} of {found.tiles} tiles, computed again ({which}), differ, by up to "
            f"{found.largest:.4g}; one begins at {found.differing[0]} of the result"
        )
        recorded = self.record.get("software", {})
        other = [n for n, v in recorded.items() if n != "python" and v != package_version(n)]
        if other:
            now = ", ".join(f"{n} {package_version(n)} instead of {recorded[n]}" for n in other)
            reason += f"; it was computed with other versions ({now})"
        return self._check("pixels", "no", reason)

    def _step_pixels(self) -> tuple[State, str]:
        if self.input is None:
            return "not known", "nothing was computed again without the input"
        made = np.asarray(repeat_step(open_input(self.input, self.record["input"]), self.record).data)
        result = np.asarray(io.read_image(self.path).data)
        if made.squeeze().shape != result.squeeze().shape:
            return "no", f"the step, repeated, gives the shape {made.shape}, and the file has {result.shape}"
        ours, theirs = (a.squeeze().astype(np.float64) for a in (made, result))
        equal = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        close = np.isclose(ours, theirs, rtol=1e-5, atol=1.0 if made.dtype.kind in "ui" else 0.0, equal_nan=True)
        if close.all():
            return "yes", f"the step was repeated: {100 * equal.mean():.6g} % of the pixels are equal, the rest rounded"
        return "no", f"the step was repeated, and {100 * (~close).mean():.3g} % of the pixels differ"
