"""Numbers that compare an image with a reference on the same grid.

Begin with ``score``, which computes the rows of a report. This folder imports no other folder of
`napari_superres.evaluation`.

``full_reference``  PSNR, SSIM, MS-SSIM, NRMSE, MAE, HFEN, mutual information, Pearson: two arrays in, one number out
``ssim``            the local moments that SSIM, MS-SSIM and MicroSSIM share
``linearity``       gamma, flux and scale-invariant PSNR
``intensity_fit``   gain and offset between the intensities of two images
``conventions``     which values, which part of the frame and which data range are compared
``score``           the rows of a report: every metric of one candidate, raw and after the gain and offset fit
``paired``          differences between two candidates over several images, with confidence intervals
``objects``         spots, nuclei and filaments instead of pixels: found, matched, counted

**To add a metric**:

1. Write a function of two arrays: in ``full_reference`` for a metric of single planes, in ``linearity`` for one that
   needs all planes of a channel at once.
2. Call it in ``score``. A metric of planes goes into ``_pixel_metrics`` or, if it looks at neighbourhoods,
   ``_neighbourhood_metrics``, and its name into `PLANE_METRICS`. A metric of channels goes into ``_measure_channel``,
   and its name into `CHANNEL_METRICS`.
3. Add its column to `COLUMNS` in ``reporting/page/columns.py``, and to `IN_TEXT` there if the printed table shows it.
4. Add it to ``reporting/report.schema.json``: to the row and, for a metric of planes, to the plane.
5. Add an input with a known answer to ``selftest.py``.

**NaN and infinite pixels** are left out where either image has one. Metrics that look at neighbourhoods (SSIM and its
family, HFEN) also leave out every pixel whose neighbourhood holds one. The column ``invalid`` of a report counts these
pixels. A metric that cannot be measured is nan, and means over planes and channels skip it.
"""
