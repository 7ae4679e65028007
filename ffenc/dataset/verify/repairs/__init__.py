"""What `ffenc.dataset.verify.repair` can set right, one module for each part of a dataset."""
