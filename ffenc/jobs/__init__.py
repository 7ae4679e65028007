"""Run encoding jobs on many cores or machines.

`spec` describes a job as JSON, `kinds` maps it to a function, `perform` does one job in a worker, `run` drives many jobs,
`record` stores which jobs are done, `executors` and `dask_cluster` provide the workers.
"""
