"""The crop of the user's image in Super-resolve: what it holds, and when it is computed."""

import numpy as np
import pytest
from helpers.scenes.cells import cells

from napari_superres import upscale
from napari_superres.core.image import Image
from napari_superres.plugin.widgets.upscale.crop import crop
from napari_superres.plugin.widgets.upscale.state import Request
