"""Talk to the FFmpeg executables: find them, run them, read what they list."""
