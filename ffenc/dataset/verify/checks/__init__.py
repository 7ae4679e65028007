"""The checks of `ffenc.dataset.verify.verify`, one module for each part of a dataset."""
