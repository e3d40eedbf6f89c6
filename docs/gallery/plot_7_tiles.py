"""
Tiles do not show
=================

Large images are computed in tiles. If a tile does not contain enough of its surroundings, seams show.
"""

import matplotlib.pyplot as plt
import numpy as np

from napari_superres import Image, load_model, read_image, upscale
from napari_superres.io import sample_path

# %%
# Compute the image in one tile and in tiles of 96 pixels. The data type is 32-bit floating point, so that rounding to
# integers hides no differences.

sample = read_image(sample_path("nuclei"))
image = Image.from_array(np.asarray(sample.data, np.float32), "YX")
whole = upscale(image, "fluo-x2", tile=256)
tiled = upscale(image, "fluo-x2", tile=96)
halo = load_model("fluo-x2").card.halo
print("halo of the model:", halo, "pixels")

# %%
# For comparison, compute tiles without a halo: each alone, and placed next to each other. All have the intensity range
# and the noise of the whole image, as the tiles of superres have.

edge = 42
alone = np.empty_like(whole.data)
measured = whole.metadata["provenance"]["told"]["noise"][0]
noise = (measured["gain"], measured["read_noise"], measured["offset"])
intensity_range = [(float(np.percentile(image.data, 0.1)), float(np.percentile(image.data, 99.9)))]
for y in range(0, image.size("Y"), edge):
    for x in range(0, image.size("X"), edge):
        part = Image.from_array(image.data[y : y + edge, x : x + edge], "YX")
        tile = upscale(part, "fluo-x2", intensity_range=intensity_range, noise=noise)
        alone[2 * y : 2 * (y + edge), 2 * x : 2 * (x + edge)] = tile.data

# %%
# Draw the differences from the whole image, in units of its range. The colours end at 1 % of it.

span = float(np.ptp(whole.data))
differences = {"tiles alone": alone - whole.data, "tiles of superres": tiled.data - whole.data}
figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
axes[0].imshow(tiled.data, cmap="gray", vmax=np.percentile(whole.data, 99.9), interpolation="nearest")
axes[0].set(title="result, in tiles", xticks=[], yticks=[])
for axis, (name, difference) in zip(axes[1:], differences.items(), strict=True):
    relative = difference / span
    picture = axis.imshow(relative, cmap="PiYG", vmin=-0.01, vmax=0.01, interpolation="nearest")
    axis.set(title=f"{name}: at most {np.abs(relative).max():.1g}", xticks=[], yticks=[])
figure.colorbar(picture, ax=axes[1:], label="difference / range", shrink=0.8)

# %%
# A pixel of the result depends on input pixels no farther away than the halo. superres computes each tile with its
# halo, and keeps the part without it. If a difference of about 1e-7 remains, it comes from the order in which a
# processor adds numbers.

print(f"{np.abs(differences['tiles of superres']).max() / span:.1e} of the range")
