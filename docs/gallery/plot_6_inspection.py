"""
Inspecting a surface, and a model that loses
============================================

The same surface from a good and from a noisy camera. A model for sharp photographs wins on the first and loses on the
second, and the program warns.
"""

import warnings

import matplotlib.pyplot as plt
from skimage import data

from napari_superres import Image, degrade, evaluate, upscale

# %%
# Gravel, reduced to a half: once cleanly, once through a lens that blurs and a sensor with noise.

reference = Image.from_array(data.gravel()[:256, :256], "YX")
cameras = {
    "good camera": degrade(reference, 2),
    "noisy camera": degrade(reference, 2, kernel="gaussian", psf_sigma=0.8, read_noise=20),
}

# %%
# ``photo-x2`` knows no noise and sharpens it. ``em-x2`` was trained on micrographs with noise, and on photographs: it
# denoises.

figure, axes = plt.subplots(2, 4, figsize=(12, 6.4), layout="constrained")
for row, (camera, image) in zip(axes, cameras.items(), strict=True):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = {name: upscale(image, name) for name in ("photo-x2", "em-x2")}
    panels = {camera: image, **results, "original": reference}
    for axis, (name, shown) in zip(row, panels.items(), strict=True):
        size = 48 if shown is image else 96
        axis.imshow(
            shown.data[size : 2 * size, size // 2 : 3 * size // 2],
            cmap="gray",
            vmin=0,
            vmax=237,
            interpolation="nearest",
        )
        axis.set(title=name, xticks=[], yticks=[])
    print(f"{camera}: {'; '.join(str(warning.message) for warning in caught) or 'no warning'}\n")

# %%
# Each model is above all baselines on one camera, and below bicubic interpolation on the other. That of ``em-x2`` no
# warning tells: it made a clean image too smooth. Which model suits is answered by a few images with a reference.

for camera, image in cameras.items():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = evaluate(None, reference, lr=image, models=["photo-x2", "em-x2"])
    print(camera)
    for score in report.rows:
        print(f"    {score['candidate']:<16} {score['psnr']:.2f} dB   SSIM {score['ssim']:.3f}")
