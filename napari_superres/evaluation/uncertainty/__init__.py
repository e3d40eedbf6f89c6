"""Error bars: how far models disagree, and intervals calibrated on pairs with a known reference.

Begin with ``spread``. ``images`` and ``reporting`` import this room; it imports ``registration`` and ``pairing``.

``spread``       disagreement of models and of flipped and turned inputs
``conformal``    intervals with a stated coverage, calibrated on a folder of pairs
``calibration``  what a calibration is, saved and loaded
``coverage``     how often intervals hold the reference
"""
