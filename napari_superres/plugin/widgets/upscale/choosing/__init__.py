"""The choice of the model for a layer, and whether it fits.

``chooser``       chooses the model for a layer, or asks what it shows
``model_choice``  choice among the library's models and single files
``model_groups``  models in the groups and lines of the list; without Qt
``model_popup``   the open list: searchable, in groups, titles first
``fitness_form``  whether the model fits the layer, and buttons for what helps
"""
