"""The run of a training, by Lightning.

``loop``              batches, checkpoints, progress, curves
``lightning_module``  one step: learning rate, averaged weights, the score that has fallen
``checkpoint``        saves an unfinished training, and finds it again
"""
