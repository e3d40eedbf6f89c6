"""The choice of the model for a layer and its channels, and whether it fits.

``chooser``       chooses the model for a layer, or asks what it shows
``channels_form`` ticks for the channels, with a model each
``model_choice``  choice among the library's models and single files
``model_groups``  models in the groups and lines of the list; without Qt
``model_popup``   the open list: searchable, in groups, titles first
``fitness_form``  whether the model fits the layer, and buttons for what helps
"""
