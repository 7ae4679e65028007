"""Which settings to use: sweeps over encoder settings, honest timing, quality, reading, a report, and advice."""
