"""The Compare widget: a result beside its reference and the interpolation of its input.

``widget``        what is chosen and measured; ``answers`` the questions and the table
``maps``          differences, agreement, residual, disagreement and error bars as layers
``look``          curtain and blink, with ``curtain`` itself
``profile``       the line that is drawn, and the profiles below it
``plots``         curves in the colours of the theme; ring correlation and spectra
``interpolated``  the input's interpolation, computed once
"""
