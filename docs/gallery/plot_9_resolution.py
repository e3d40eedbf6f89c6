"""
How fine is it?
===============

Resolution is measured in raw recordings, by what two of them have in common, and never in a network's output.
"""

import matplotlib.pyplot as plt

from napari_superres import degrade, read_image, upscale
from napari_superres.evaluation import decorrelation, ring_correlation
from napari_superres.io import sample_path

# %%
# Simulate two recordings of one scene, each with noise of its own, and measure their resolution.

reference = read_image(sample_path("nuclei_hr.ome.tif"))
settings = {"kernel": "gaussian", "psf_sigma": 1.5, "photons": 400, "read_noise": 2}
first, second = (degrade(reference, 2, **settings, seed=seed) for seed in (1, 2))
correlation = ring_correlation(first, second)
print("ring correlation of two recordings:", correlation.resolution())
print("decorrelation of one:", f"{decorrelation(first).value:.3g}", decorrelation(first).unit)

# %%
# A result has no independent noise, so these methods would overestimate its resolution. They refuse to measure it.

result = upscale(first, "fluo-x2")
print("ring correlation of the result:", ring_correlation(result, reference).resolution())
print("decorrelation of the result:", decorrelation(result).reason)

# %%
# Instead, measure the finest detail on which a result and the reference agree. The network reaches finer detail than
# interpolation does. Anything finer in the result is a guess.

curves = {
    "two recordings": correlation,
    "bicubic and reference": ring_correlation(upscale(first, "bicubic-x2"), reference),
    "fluo-x2 and reference": ring_correlation(result, reference),
}
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
for name, curve in curves.items():
    axis.plot(curve.frequency, curve.correlation, label=f"{name}: {curve.agreement().value:.2f} µm")
axis.axhline(1 / 7, color="gray", linestyle=":", label="threshold 1/7")
axis.axvline(0.5 / first.pixel_size[-1], color="gray", linewidth=0.8, label="limit of the input's pixels")
axis.set(xlabel="spatial frequency (1/µm)", ylabel="ring correlation", xlim=(0, None), ylim=(-0.15, 1.05))
axis.legend(frameon=False)
