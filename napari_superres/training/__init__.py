"""From high-resolution images to a model file: recipes, patches, the Lightning module, scores.

``recipe``   what a shipped model was made of, as a small TOML file in ``recipes/``
``entries``  what a recipe's entries may be: a slip is told before training
``images``   reads high-resolution images and brings them on the model's intensity scale
``recorded`` reads pairs that instruments recorded, checks that they lie on each other
``pairs``    draws low- and high-resolution patches, degraded on the fly
``module``   one optimisation step, the averaged weights, the learning-rate schedule, the best weights
``progress`` how far a training is
``losses``   what is lowered
``fit``      the loop: batches, checkpoints, progress, curves
``checkpoint`` what an interrupted training goes on from
``score``    validation on whole images beside bicubic interpolation
``describe`` the model's card
``trainer``  `train`: puts these together and writes the model file
"""

from napari_superres.training.progress import TrainingStep as TrainingStep
from napari_superres.training.recipe import Recipe as Recipe
from napari_superres.training.recipe import list_recipes as list_recipes
from napari_superres.training.recipe import load_recipe as load_recipe
from napari_superres.training.recipe import make_recipe as make_recipe
from napari_superres.training.sources import fit_instrument as fit_instrument
from napari_superres.training.trainer import iter_train as iter_train
from napari_superres.training.trainer import train as train

__all__ = [
    "Recipe",
    "TrainingStep",
    "fit_instrument",
    "iter_train",
    "list_recipes",
    "load_recipe",
    "make_recipe",
    "train",
]
