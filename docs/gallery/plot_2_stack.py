"""
Slices half as thick
====================

Stacks are often coarser along Z than in their planes. ``fluo3d-z2`` makes two slices out of each.
"""

import matplotlib.pyplot as plt
import numpy as np

from napari_superres import degrade, evaluate, read_image, upscale
from napari_superres.io import sample_path

# %%
# The reference has six slices of nuclei. The input has three: each is the mean of two slices after a blur along Z,
# with the noise of 100 photons at the brightest pixels. The model was trained on a single stack of nuclei, as its
# card says, so test it before you use it on others.

stack = read_image(sample_path("nuclei-stack_hr.ome.tif"))
reference = stack.replace(data=np.asarray(stack.data)[:, 60:188, 20:148])
image = degrade(reference, (2, 1, 1), kernel="gaussian", psf_sigma=(0.6, 0, 0), photons=100, read_noise=1)
result = upscale(image, "fluo3d-z2")
bicubic = upscale(image, "bicubic-x2x1x1")
print(image)
print(result)

# %%
# The figure shows the third of the six planes, which lies in the second of the input's three. The reference is noisy
# too, but less than the input.

low, high = np.percentile(reference.data, (0.1, 99.7))
panels = {"input": image, "bicubic": bicubic, "fluo3d-z2": result, "reference": reference}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
for axis, (name, panel) in zip(axes, panels.items(), strict=True):
    axis.imshow(panel.data[1 if name == "input" else 2], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axis.set(title=name, xticks=[], yticks=[])

# %%
# In a section along Z, the input has three thick slices and the others have six. They are drawn taller than they are.

figure, axes = plt.subplots(4, 1, figsize=(9, 4.4), layout="constrained")
for axis, (name, panel) in zip(axes, panels.items(), strict=True):
    axis.imshow(panel.data[:, 101], cmap="gray", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_ylabel(name, rotation=0, ha="right", va="center")

# %%
# Much of the gain is less noise. What the model draws between the recorded slices is its guess.

for row in evaluate(result, reference, lr=image, baselines=["lanczos"]).rows:
    print(f"{row['candidate']:<16} {row['psnr']:.2f} dB   SSIM {row['ssim']:.3f}")
