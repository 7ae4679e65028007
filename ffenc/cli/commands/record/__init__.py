"""Record from live cameras, and salvage interrupted recordings."""
