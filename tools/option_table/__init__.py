"""Measure what every option of every software encoder does in one FFmpeg, and write the table that plans rely on."""
