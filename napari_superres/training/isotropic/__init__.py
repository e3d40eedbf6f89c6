"""Thick slices made thin, learnt from the stack itself.

Begin with `run.isotropic`.

``run``        `isotropic` and `isotropic_file`
``options``    their options and defaults
``geometry``   the coarse axis, the factor, thickness and spacing of the slices
``profile``    the weights of a slice along the coarse axis
``stack``      reads planes and samples of a stack
``checks``     what speaks against it, seen before any training
``learn``      from a stack to its model, and the predicted gain
``fit``        trains the network of planes
``predict``    two predictions of the gain over interpolation
"""

from napari_superres.training.isotropic.geometry import find_geometry as find_geometry
from napari_superres.training.isotropic.learn import LearningStep as LearningStep
from napari_superres.training.isotropic.learn import Learnt as Learnt
from napari_superres.training.isotropic.options import IsotropicOptions as IsotropicOptions
from napari_superres.training.isotropic.run import isotropic as isotropic
from napari_superres.training.isotropic.run import isotropic_file as isotropic_file
from napari_superres.training.isotropic.run import iter_learning as iter_learning
from napari_superres.training.isotropic.run import keep_model as keep_model

__all__ = [
    "IsotropicOptions",
    "LearningStep",
    "Learnt",
    "find_geometry",
    "isotropic",
    "isotropic_file",
    "iter_learning",
    "keep_model",
]
