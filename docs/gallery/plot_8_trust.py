"""
Where it can be wrong
=====================

Without a reference, you can still ask whether the model contradicts itself, and whether its result contradicts the
input.
"""

import matplotlib.pyplot as plt
import numpy as np

from napari_superres import read_image, upscale
from napari_superres.evaluation import check_consistency, spread
from napari_superres.io import sample_path

# %%
# A perfect model would give the same result for a flipped or rotated image, apart from the flip or rotation.
# ``spread`` computes all eight results. Where they disagree, at least some of them are wrong.

image = read_image(sample_path("nuclei"))
reference = read_image(sample_path("nuclei_hr.ome.tif"))
flips = spread(image, "fluo-x2")
brightest = np.percentile(reference.data, 99.9)
error = (np.asarray(flips.mean.data, float) - np.asarray(reference.data, float)) / brightest

# %%
# The residual is the blurred and binned result minus the input, in standard deviations of the input's noise. Noise
# alone hardly ever exceeds three.

consistency = check_consistency(flips.mean, image)
pictures = {
    "mean of eight": (flips.mean.data, {"cmap": "gray", "vmin": 0, "vmax": brightest}),
    "disagreement / brightest": (flips.deviation.data / brightest, {"cmap": "magma", "vmin": 0, "vmax": 0.05}),
    "residual / sigma": (consistency.residual.data, {"cmap": "PiYG", "vmin": -6, "vmax": 6}),
    "error / brightest": (error, {"cmap": "PiYG", "vmin": -0.2, "vmax": 0.2}),
}
figure, axes = plt.subplots(1, 4, figsize=(14, 4.5), layout="constrained")
for axis, (name, (pixels, look)) in zip(axes, pictures.items(), strict=True):
    picture = axis.imshow(pixels, interpolation="nearest", **look)
    axis.set(title=name, xticks=[], yticks=[])
    figure.colorbar(picture, ax=axis, location="bottom", shrink=0.9)
print(f"{100 * consistency.outside:.2f} % of the residual beyond three sigma (noise alone: 0.27 %)")

# %%
# Disagreement is not error. Pixels that disagree most have the largest errors, partly because they are the bright
# ones, where noise is stronger. Many differences appear in no map: errors that all eight results share, and the noise
# of the reference.

order = np.argsort(flips.deviation.data, axis=None)
parts = np.array_split(np.abs(error).ravel()[order], 4)
for name, part in zip(("least", "less", "more", "most"), parts, strict=True):
    print(f"mean error of the quarter that disagrees {name}: {100 * part.mean():.1f} %")

# %%
# The input contradicts a wrong result. Here a spot is added that the input does not contain.

plain = upscale(image, "fluo-x2")
false = np.asarray(plain.data).copy()
false[150:156, 60:66] += int(0.3 * brightest)
for name, data in {"as computed": plain.data, "with a false spot": false}.items():
    residual = check_consistency(plain.replace(data=data), image).residual.data
    print(f"{name:<18} largest residual near it: {np.abs(residual[72:81, 27:36]).max():.1f} sigma")
