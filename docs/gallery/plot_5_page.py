"""
A scanned page, and where it ends
=================================

Print gains much from super-resolution, up to a point. Beyond it, a sharp result reads wrong.
"""

import matplotlib.pyplot as plt
from skimage import data

from napari_superres import Image, degrade, evaluate, upscale

# %%
# A page from a book, reduced to a half. ``photo-x2`` was trained on photographs; its edges serve letters too.

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
    for axis, (name, (shown, factor)) in zip(axes, panels.items(), strict=True):
        top, bottom, left, right = (edge * factor // scale for edge in part)
        axis.imshow(shown.data[top:bottom, left:right], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, loc="left")
    report = evaluate(None, reference, lr=image, models=[model], baselines=["lanczos"])
    for row in report.rows:
        print(f"{row['candidate']:<10} {row['psnr']:.2f} dB   SSIM {row['ssim']:.3f}")
    return report


part = (64, 108, 20, 220)  # rows, columns; divisible by the scales
show(page, 2, part)

# %%
# At a quarter, a letter is two pixels wide. By its score the model still wins, by half a decibel, and its strokes look
# like print. Read them without the original below: hardly a word can be told, and strokes are drawn that nobody has
# written.

report = show(page, 4, part)

# %%
# The report asks whether what was added beyond the input's pixels agrees with the truth. Here it hardly does; and
# without a reference nobody could have asked.

answer = next(answer for answer in report.findings["image"].answers if "fine detail" in answer.question)
print(answer.question, answer.state)
print(answer.reason)
