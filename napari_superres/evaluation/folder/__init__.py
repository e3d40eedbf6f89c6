"""Many results at once: one report on all of them. Only this room reads result files.

``references``  `evaluate_folder`: many results against their references
``many``        `report_files`: many results against their inputs only
"""

from napari_superres.evaluation.folder.many import BatchFile, report_files
from napari_superres.evaluation.folder.references import evaluate_folder

__all__ = ["BatchFile", "evaluate_folder", "report_files"]
