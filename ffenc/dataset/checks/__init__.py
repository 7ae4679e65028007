"""The checks of `ffenc.dataset.verify`, one module for each part of a dataset."""
