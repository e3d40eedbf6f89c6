"""Recipes: everything that makes a model, from the network to the card, as small TOML files.

Shipped recipes lie in folders by kind and are found by name. Begin with `recipe.Recipe`, whose attributes are the
entries of a file.

``recipe``       `Recipe`: the entries of a recipe
``checks``       checks the entries before training
``shipped``      `list_recipes` and `load_recipe`: recipes by name, or from a TOML file
``own_data``     `make_recipe` and `fit_instrument`: a recipe for your own images and instrument
``teacher``      a larger network whose results are learnt as well
``photographs/`` models for photographs
``classics/``    networks of the literature, trained on photographs, for teaching and comparison
``microscopy/``  fluorescence and electron microscopy
``tomography/``  CT and magnetic resonance
"""

from napari_superres.training.recipes.own_data import find_start as find_start
from napari_superres.training.recipes.own_data import fit_instrument as fit_instrument
from napari_superres.training.recipes.own_data import make_recipe as make_recipe
from napari_superres.training.recipes.own_data import measured_sigma as measured_sigma
from napari_superres.training.recipes.recipe import Recipe as Recipe
from napari_superres.training.recipes.shipped import list_recipes as list_recipes
from napari_superres.training.recipes.shipped import load_recipe as load_recipe

__all__ = ["Recipe", "find_start", "fit_instrument", "list_recipes", "load_recipe", "make_recipe", "measured_sigma"]
