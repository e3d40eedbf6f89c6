"""Numbers that compare an image with a reference on the same grid.

Begin with ``score``, which computes every metric of one image. All of `napari_superres.evaluation` may import this
room; it imports none of the other rooms.

``full_reference``  PSNR, SSIM, NRMSE, MAE, HFEN, mutual information, Pearson correlation
``ssim``            SSIM, MS-SSIM and MicroSSIM from the same moments
``linearity``       gamma, flux and scale-invariant PSNR
``intensity_fit``   gain and offset between two images
``conventions``     what is compared: values, cropped border, data range
``score``           the rows of a report: every metric, raw and aligned
``paired``          differences between candidates over several images, with confidence intervals
"""
