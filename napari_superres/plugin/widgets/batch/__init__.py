"""The Batch widget: super-resolve files into files, as ``superres upscale FILES -o FOLDER`` does.

Begin with ``state``, which decides what may be pressed, then ``widget``, which binds the controls to it. Only
``search``, ``facts`` and ``work`` run outside the GUI thread; none knows Qt.

``state``      the chosen options and files, what follows from them, and the texts to show; without Qt
``widget``     reacts to the controls: which files, Run and Cancel, progress
``controls``   the controls, from top to bottom
``settings``   the form of model, output and options
``next_steps`` compare a result, write a report, open the folder
``table``      the table of files with their status
``facts``      what the files hold and whether the model fits them, in a thread
``search``     find the files of a batch, in a thread
``work``       run the batch over them, in a thread

A new option gets its field in ``state.BatchOptions`` and its control in ``settings``; a new button goes into
``controls``.
"""
