"""Commands on video files and on the encoders of this machine."""
