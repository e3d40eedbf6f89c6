"""From high-resolution images to a model file: recipes, patches, the Lightning module, scores.

``recipe``   what a shipped model was made of, as a small TOML file in ``recipes/``
``images``   reads high-resolution images and brings them on the model's intensity scale
``pairs``    draws low- and high-resolution patches, degraded on the fly
``module``   one optimisation step, the averaged weights, the learning-rate schedule
``score``    validation on whole images beside bicubic interpolation
``trainer``  `train`: puts these together and writes the model file
"""

from napari_superres.training.recipe import Recipe as Recipe
from napari_superres.training.recipe import list_recipes as list_recipes
from napari_superres.training.recipe import load_recipe as load_recipe
from napari_superres.training.trainer import train as train

__all__ = ["Recipe", "list_recipes", "load_recipe", "train"]
