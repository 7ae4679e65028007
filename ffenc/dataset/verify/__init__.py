"""Verify and repair datasets: ``verify`` and ``repair`` have the public functions, ``finding_codes`` defines every finding."""
