"""
A photograph by five networks
=============================

Compare five networks with interpolation, from SRCNN, the first of its kind, to the small EDSR of ``photo-x2``.
"""

import matplotlib.pyplot as plt
import numpy as np

from napari_superres import Image, degrade, evaluate, read_image, upscale
from napari_superres.io import sample_path

# %%
# A part of the photograph is reduced to a half, a third and a quarter as in the literature: antialiased, bicubic, 8
# bit.

cat = read_image(sample_path("chelsea_hr.png"))
reference = Image.from_array(np.asarray(cat.data)[60:180, 130:274], "YXS")
networks = ("srcnn", "fsrcnn", "espcn", "vdsr", "photo")
inputs = {scale: degrade(reference, scale) for scale in (2, 3, 4)}

# %%
# Each row shows the cat's eye at one scale.

figure, axes = plt.subplots(3, 4, figsize=(10, 7), layout="constrained")
for row, (scale, image) in zip(axes, inputs.items(), strict=True):
    panels = {
        f"input, 1/{scale}": (image, 1),
        f"bicubic-x{scale}": (upscale(image, f"bicubic-x{scale}"), scale),
        f"photo-x{scale}": (upscale(image, f"photo-x{scale}"), scale),
        "original": (reference, scale),
    }
    for axis, (name, (picture, factor)) in zip(row, panels.items(), strict=True):
        top, bottom, left, right = (edge * factor // scale for edge in (12, 72, 12, 84))
        axis.imshow(np.asarray(picture.data)[top:bottom, left:right], interpolation="nearest")
        axis.set(title=name, xticks=[], yticks=[])

# %%
# The scores follow the convention of the literature: luminance, without a border of ``scale`` pixels.

print(f"{'PSNR / dB':<12}" + "".join(f"{f'x{scale}':>8}" for scale in inputs))
table: dict[str, list[float]] = {}
for scale, image in inputs.items():
    models = [f"{network}-x{scale}" for network in networks]
    report = evaluate(None, reference, lr=image, models=models, convention="sr-paper", baselines=["lanczos"])
    for score in report.rows:
        table.setdefault(score["candidate"].removesuffix(f"-x{scale}"), []).append(score["psnr"])
for name, scores in table.items():
    print(f"{name:<12}" + "".join(f"{score:8.2f}" for score in scores))

# %%
# At x2 the networks gain about a decibel over bicubic interpolation. At x4 they gain less, and the small ones are no
# better than Lanczos. The hairs over the eye are missing from the input, so they can only be guessed.
