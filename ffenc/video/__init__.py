"""Running plans: frames or files in, one verified file out."""
