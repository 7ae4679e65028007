"""Plan, run, watch and commit encoding jobs."""
