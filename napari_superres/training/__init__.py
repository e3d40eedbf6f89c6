"""From high-resolution images to a model file: recipes, patches, the training loop, scores.

Begin with `trainer.train`, which prepares a training, runs it and writes the model. Only the applications import this
layer; docs/explanation/architecture.md lists all imports.

``trainer``          `train` and `iter_train`
``options``          their options and defaults
``preparation``      reads images and builds the network; checks everything before the first step
``recipes``          `Recipe`: what makes a model, as small TOML files; recipes for your own images
``images``           reads images, and pairs that instruments recorded, onto the intensity scale of the model
``patches``          draws patches, turns and degrades them
``losses``           the losses that training minimises
``running``          the run itself, by Lightning: batches, one step, checkpoints, curves
``shipped_score``    scores the shipped model for the same task on the same images
``validation``       scores images held out of training next to bicubic interpolation
``progress``         `TrainingStep`: the progress of a training, with notes for the user
``trained_card``     the card of a trained model
``isotropic``        makes thick slices thin, learnt from the stack itself
``adapt``            `adapt`: refines a model on your own images, and keeps it only if it is better
``campaign``         trains all larger models within minutes on a GPU
"""

from napari_superres.training.adapt import Adaptation as Adaptation
from napari_superres.training.adapt import adapt as adapt
from napari_superres.training.options import TrainOptions as TrainOptions
from napari_superres.training.progress import TrainingStep as TrainingStep
from napari_superres.training.recipes import Recipe as Recipe
from napari_superres.training.recipes import fit_instrument as fit_instrument
from napari_superres.training.recipes import list_recipes as list_recipes
from napari_superres.training.recipes import load_recipe as load_recipe
from napari_superres.training.recipes import make_recipe as make_recipe
from napari_superres.training.trainer import iter_train as iter_train
from napari_superres.training.trainer import train as train

__all__ = [
    "Adaptation",
    "Recipe",
    "TrainOptions",
    "TrainingStep",
    "adapt",
    "fit_instrument",
    "iter_train",
    "list_recipes",
    "load_recipe",
    "make_recipe",
    "train",
]
