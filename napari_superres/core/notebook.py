"""What Jupyter shows of the package's values: facts as a small table, a thumbnail, and a bar while a run lasts.

Everything is escaped, because names and notes come from files of strangers. Of an image that is not in memory, only a
field in its middle is read.
"""

import base64
import io
import sys
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Protocol

_EDGE = 160
"""Longest edge of a thumbnail in pixels."""

_FIELD = 512
"""Edge of the field that is read of an image that is not in memory, in pixels."""

_DISPLAY_RANGE = (0.5, 99.8)
"""Percentiles that are black and white."""

_PATIENCE = 1.0
"""Seconds that a run lasts before a bar appears."""


class Step(Protocol):
    """The state of a run."""

    @property
    def done(self) -> int:
        """Tiles computed."""

    @property
    def total(self) -> int:
        """Tiles of the whole run."""

    @property
    def seconds(self) -> float:
        """Seconds since the start."""

    @property
    def remaining(self) -> float | None:
        """Estimate of the seconds left; None before the first tile."""


def as_table(title: str, rows: Iterable[tuple[str, object]], *, thumbnail: str = "", lead: str = "") -> str:
    """Return facts as HTML.

    Parameters
    ----------
    title
        What it is.
    rows
        Name and value of each fact; those with an empty value are left out.
    thumbnail
        Data URI of a picture.
    lead
        A sentence above the facts.
    """
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows
        if str(value)
    )
    picture = f'<img src="{escape(thumbnail)}" alt="thumbnail" style="align-self:start">' if thumbnail else ""
    sentence = f"<div>{escape(lead)}</div>" if lead else ""
    return (
        f'<div style="display:flex;gap:1em">{picture}<div><strong>{escape(title)}</strong>{sentence}'
        f"<table>{cells}</table></div></div>"
    )


def thumbnail(data: Any, axes: str) -> str:
    """Return the middle plane of an image as the data URI of a small PNG; empty if it would have to be computed.

    Parameters
    ----------
    data
        Array with the axes in `axes`. Of a numpy array, every so many pixels are taken. Of other arrays only a field
        in the middle is read, and nothing of those, such as dask's, that compute what they are asked for.
    axes
        Letters of ``"TCZYXS"``.
    """
    import numpy as np

    if hasattr(data, "compute") or 0 in data.shape:
        return ""
    in_memory = isinstance(data, np.ndarray)
    step = max(1, max(n for a, n in zip(axes, data.shape, strict=True) if a in "YX") // (2 * _EDGE))
    index: list[int | slice] = []
    for axis, size in zip(axes, data.shape, strict=True):
        if axis not in "YXS":
            index.append(0 if axis == "C" else size // 2)
        elif axis == "S":
            index.append(slice(0, 3 if size >= 3 else 1))
        elif in_memory:
            index.append(slice(None, None, step))
        else:
            start = max(0, (size - _FIELD) // 2)
            index.append(slice(start, start + _FIELD))
    plane = np.asarray(data[tuple(index)], dtype=np.float64)
    left = [a for a in axes if a in "YXS"]
    plane = np.moveaxis(plane, [left.index(a) for a in "YXS" if a in left], range(len(left)))
    return _png(plane[..., 0] if plane.ndim == 3 and plane.shape[2] == 1 else plane)


def _png(plane: Any) -> str:
    import numpy as np
    from PIL import Image

    finite = plane[np.isfinite(plane)]
    if not finite.size:
        return ""
    low, high = np.percentile(finite, _DISPLAY_RANGE)
    shown = np.clip((np.nan_to_num(plane, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0), 0, 1)
    picture = Image.fromarray(np.rint(255 * shown).astype(np.uint8))
    picture.thumbnail((_EDGE, _EDGE))
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def listed(values: Sequence[object], unit: str = "") -> str:
    """Return numbers as a product, such as ``"0.26 x 0.26 micrometer"``."""
    texts = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
    return f"{' x '.join(texts)} {unit}".strip()


class Bar:
    """A bar below the cell of a notebook that runs; nothing elsewhere."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, step: Step) -> None:
        """Show the state of a run that lasts longer than a second, and remove the bar when it is done."""
        if self._handle is None and (step.done >= step.total or step.seconds < _PATIENCE or not in_notebook()):
            return
        import IPython.display

        library: Any = IPython.display  # it has no types
        share = 100 * step.done / max(step.total, 1)
        left = "" if step.remaining is None else f", {step.remaining:.0f} s left"
        bar = library.HTML(
            ""
            if step.done >= step.total
            else f'<progress value="{step.done}" max="{step.total}"></progress> {share:.0f} %{left}'
        )
        if self._handle is None:
            self._handle = library.display(bar, display_id=True)
        else:
            self._handle.update(bar)


def in_notebook() -> bool:
    """Return whether a kernel of Jupyter runs this program. It imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")
