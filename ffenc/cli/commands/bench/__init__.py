"""Measure encoder settings and recommend some."""
