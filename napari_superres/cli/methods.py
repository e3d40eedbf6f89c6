"""``superres methods``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_superres.cli import terminal
from napari_superres.errors import EvaluationError


def methods(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result, or its record (.provenance.json).")],
) -> None:
    """Print a paragraph on a result for the methods of a paper, what to cite, and a checklist.

    The checklist is that of Schmied et al. 2024 for publishing image analysis, doi:10.1038/s41592-023-01987-9.
    """
    from napari_superres import io
    from napari_superres.evaluation import write_methods

    path = io.InputPath(result)
    record = io.read_record(path)
    if record is None:
        raise EvaluationError(
            f"{path} has no record of how it was made.", remedy="Give a result, or the .provenance.json next to it."
        )
    terminal.result(*write_methods(record).to_text().splitlines())
