"""The smallest recipe, for trainings that take seconds."""

from napari_superres.training import Recipe

TINY = Recipe(
    name="tiny-x2",
    architecture="espcn",
    arguments={"features": [8, 4]},
    scale=(2, 2),
    data=("photos",),
    patch=8,
    batch=2,
    card={"title": "Tiny", "modality": "photograph", "license": "BSD-3-Clause", "limits": "A test."},
)
"""Its folder of images is ``photos``."""
