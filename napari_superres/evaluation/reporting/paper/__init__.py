"""What a paper needs: the paragraph for its methods, the checklist, and figures.

Begin with ``methods.write_methods``.

``methods``    the paragraph, from the record of a result and the card of its model
``checklist``  the checklist for image analysis, filled in
``figure``     input, interpolation, result and reference at one contrast, with an inset and a scale bar
"""
