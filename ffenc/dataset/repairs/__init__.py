"""What `ffenc.dataset.repair` can set right, one module for each part of a dataset."""
