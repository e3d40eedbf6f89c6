"""The Batch widget: files into files, as the command line does it.

``widget``    which files, and the run; ``settings`` model, output and options
``table``     what each file is and what became of it
``run``       what is done in the thread
"""
