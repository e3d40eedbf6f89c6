"""The Models widget: list the models, show their cards, add, remove, check and export them.

Begin with ``state``, which decides what may be pressed and shown, then ``widget``, which binds the controls to it.
Only ``work`` runs outside the GUI thread.

``state``        the selected model, what follows from it, and the texts to show; without Qt
``controls``     the controls, from top to bottom
``widget``       buttons and dialogs; one job after the other
``model_list``   the list of models with its filter
``thumbnail``    an image before and after a model
``card_text``    card, measurements and origin of a model as text; without Qt
``work``         list, add, measure and export models, in a thread

A new button goes into ``widget``; whether it can be pressed is decided in ``state``.
"""
