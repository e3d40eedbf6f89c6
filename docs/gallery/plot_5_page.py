"""
A scanned page, and where it ends
=================================

Printed text gains much from super-resolution at x2. At x4 the result looks sharp but cannot be read.
"""

import matplotlib.pyplot as plt
from skimage import data

from napari_superres import Image, degrade, evaluate, upscale

# %%
# A page of a book is reduced to a half. ``photo-x2`` was trained on photographs, but its sharp edges also suit
# letters.

page = Image.from_array(data.page()[:188], "YX")


def show(reference, scale, part):
    """Draw input, bicubic interpolation, result and original of one part, and print the scores."""
    image = degrade(reference, scale)
    model = f"photo-x{scale}"
    panels = {
        f"input, 1/{scale}": (image, 1),
        "bicubic": (upscale(image, f"bicubic-x{scale}"), scale),
        model: (upscale(image, model), scale),
        "original": (reference, scale),
    }
    _, axes = plt.subplots(4, 1, figsize=(7.5, 7.4), layout="constrained")
    for axis, (name, (panel, factor)) in zip(axes, panels.items(), strict=True):
        top, bottom, left, right = (edge * factor // scale for edge in part)
        axis.imshow(panel.data[top:bottom, left:right], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, loc="left")
    report = evaluate(None, reference, lr=image, models=[model], baselines=["lanczos"])
    for row in report.rows:
        print(f"{row['candidate']:<10} {row['psnr']:.2f} dB   SSIM {row['ssim']:.3f}")
    return report


part = (64, 108, 20, 220)  # rows, columns; divisible by the scales
show(page, 2, part)

# %%
# At a quarter, a letter is two pixels wide. The model still has the best score, by half a decibel, and its strokes
# look like print. Without the original below, hardly a word can be read, and some strokes were never on the page.

report = show(page, 4, part)

# %%
# The report asks whether the added fine detail agrees with the original. Here it hardly does. Without a reference,
# this question has no answer.

answer = next(answer for answer in report.findings["image"].answers if "fine detail" in answer.question)
print(answer.question, answer.state)
print(answer.reason)
