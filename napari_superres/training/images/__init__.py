"""Images for training, on the intensity scale of the model.

``fields_of_view`` reads high-resolution images as planes or volumes
``recorded_pairs`` reads pairs that instruments recorded, and checks or aligns them
"""
