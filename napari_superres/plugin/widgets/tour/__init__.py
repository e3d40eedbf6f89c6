"""The guided tour: a line of text below the image, and a frame around the control that it is about.

Begin with ``steps``. Controls are found by the names that users read, so that the tour needs nothing of the widgets.

``steps``     what the tour says, and the control that each step is about
``widget``    the text and the buttons, in a dock below the image
``pointer``   the frame around a control
"""
