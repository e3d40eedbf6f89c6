"""Docks, folding sections, what is remembered, entries of lists, layers that were made. No models, no images.

``docks``       the docks of the panels are tabs of one; one panel opens another
``fold``        sections that fold
``remembered``  settings and fold states, until the next session
``made``        tells results, maps and temporary layers from others; without Qt
``two_lines``   entries of a list in two lines
"""
