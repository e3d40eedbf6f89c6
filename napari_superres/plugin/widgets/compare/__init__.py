"""The Compare widget: a result next to its reference and the interpolation of its input.

Begin with ``state``, which decides what may be pressed, then ``widget``, which binds the controls to it. Each foldable
section has a file of its own. Images are computed on in threads, by functions of ``worker.tasks``.

``state``            the chosen layers, what follows from them, and the texts to show; without Qt
``widget``           the choice of layers, Measure, the maps
``colour_bar``       the colours of a map and their values
``report_view``      verdict, answers and numbers of a report; copy and save it
``report_text``      the same as text and rich text; without Qt
``map_kinds``        the maps: name, looks and what each needs; without Qt
``interpolation``    the interpolated input, computed once
``visual_section``   switches for ``curtain``, ``blink`` and the grid
``curtain``          the left part of one layer over another
``blink``            two layers in turn or side by side; showing layers for a while only
``view``             which pixels of a layer the viewer shows, and where; without Qt
``profile_section``  draw a line in the canvas and plot the intensities along it
``line_profile``     intensities along a line; without Qt
``spectra_section``  plot Fourier ring correlation and power spectra
``plot``             one plot in the colours of napari's theme

A new map goes into ``map_kinds``; a new button into ``widget`` or its section.
"""
