"""Find and repair faults in a dataset."""
