"""Convert clips, images and tables of states and actions to episodes of a dataset."""
