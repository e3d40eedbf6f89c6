"""
How fine is it?
===============

Resolution is measured on recordings, by what two of them have in common, and never on a network's output.
"""

import matplotlib.pyplot as plt

from napari_superres import degrade, read_image, upscale
from napari_superres.evaluation import decorrelation, ring_correlation
from napari_superres.io import sample_path

# %%
# Two recordings of one scene, each with noise of its own.

reference = read_image(sample_path("nuclei_hr.ome.tif"))
settings = {"kernel": "gaussian", "psf_sigma": 1.5, "photons": 400, "read_noise": 2}
first, second = (degrade(reference, 2, **settings, seed=seed) for seed in (1, 2))
correlation = ring_correlation(first, second)
print("ring correlation of two recordings:", correlation.resolution())
print("decorrelation of one:", f"{decorrelation(first).value:.3g}", decorrelation(first).unit)

# %%
# A result is sharper and has no noise of its own: any of these methods would flatter it, so none gives a number.

result = upscale(first, "fluo-x2")
print("ring correlation of the result:", ring_correlation(result, reference).resolution())
print("decorrelation of the result:", decorrelation(result).reason)

# %%
# What can be asked is down to which detail result and reference agree. The network goes further than interpolation, and
# both end; beyond it, what is seen in the result is a guess.

curves = {
    "two recordings": correlation,
    "bicubic and reference": ring_correlation(upscale(first, "bicubic-x2"), reference),
    "fluo-x2 and reference": ring_correlation(result, reference),
}
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
for name, curve in curves.items():
    axis.plot(curve.frequency, curve.correlation, label=f"{name}: {curve.agreement().value:.2f} µm")
axis.axhline(1 / 7, color="gray", linestyle=":", label="threshold 1/7")
axis.axvline(0.5 / first.pixel_size[-1], color="gray", linewidth=0.8, label="finest that the input's pixels hold")
axis.set(xlabel="spatial frequency (1/µm)", ylabel="ring correlation", xlim=(0, None), ylim=(-0.15, 1.05))
axis.legend(frameon=False)
