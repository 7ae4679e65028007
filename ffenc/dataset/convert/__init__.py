"""Datasets from clips, images and tables."""
