"""Numbers that compare an image with a reference on the same grid.

Begin reading with ``score``, which computes the rows of a report. Everything in `napari_superres.evaluation` and
`napari_superres.training` may import this folder. It imports no other folder of `napari_superres.evaluation`.

``full_reference``  PSNR, SSIM, MS-SSIM, NRMSE, MAE, HFEN, mutual information, Pearson: two arrays in, one number out
``ssim``            the local moments that SSIM, MS-SSIM and MicroSSIM share
``linearity``       gamma, flux and scale-invariant PSNR
``intensity_fit``   gain and offset between the intensities of two images
``conventions``     which values, which part of the frame and which data range are compared
``score``           the rows of a report: every metric of one candidate, raw and after the gain and offset fit
``paired``          differences between two candidates over several images, with confidence intervals

**To add a metric**, write a function of two arrays in ``full_reference``. Call it in ``score`` and name it there in
`PLANE_METRICS` (one value per plane) or `CHANNEL_METRICS` (one value per channel). Add its column to
``reporting/report.py`` and ``reporting/report.schema.json``, and an input with a known answer to ``selftest.py``.

**NaN and infinite pixels** are left out where either image has one. Metrics that look at neighbourhoods (SSIM and its
family, HFEN) also leave out every pixel whose neighbourhood holds one. The column ``invalid`` of a report counts these
pixels. A metric that cannot be measured is nan, and means over planes and channels skip it.
"""
