"""The repairs of `ffenc.dataset.verify.repair`, one module for each part of a dataset."""
