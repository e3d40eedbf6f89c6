"""The campaign: larger networks for the shipped models, trained one after another within minutes on a GPU.

``python -m napari_superres.training.campaign`` runs it; CONTRIBUTING.md says how. Begin with `run.run_campaign`.

``__main__`` the command
``table``    what is trained, in order of value
``run``      `run_campaign`: one training after another, within a time
``model``    one training: its loop, its model file
``step``     one optimisation step, on a GPU as a graph
``patches``  draws patches on the device
``gains``    scores images held out of training, next to bicubic interpolation, in a grid of blur and noise
``images``   reads the images of all trainings once
``log``      the summary and the curves
``pack``     packs a thinned copy of the images into one file; a command, too
"""
