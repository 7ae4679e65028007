"""Measure the effect of every software encoder option on one FFmpeg build, and write the tables that plans use."""
