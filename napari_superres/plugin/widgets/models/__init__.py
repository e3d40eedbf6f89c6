"""The Models widget: what there is, its card, add, remove, check, export.

``widget``   buttons and questions; ``listing`` the list; ``facts`` the card in words
``work``     what is done in the thread
"""
