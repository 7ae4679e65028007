"""Commands for those who work on ffenc itself."""
