"""New datasets from existing ones: merge, split, delete, re-encode, images to video."""
