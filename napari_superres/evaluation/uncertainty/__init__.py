"""Error bars: how much results disagree, and intervals calibrated on pairs with a known reference.

Begin with ``spread``. Within `napari_superres.evaluation`, this folder imports only ``registration`` and ``pairing``.

``spread``           `spread`: disagreement of models and of flipped inputs
``conformal``        the formulas of intervals with a stated coverage
``fit_calibration``  `calibrate_folder`: the factors, from pairs of images
``calibration``      `Calibration`: the factors and what they hold for, as a file; `intervals`
``failure``          `failure_mask`: pixels whose error may exceed a tolerance
``coverage``         how often intervals contain a reference
"""
