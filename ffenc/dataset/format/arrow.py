"""Import pyarrow, or raise an error that says how to install it.

Every module that reads or writes parquet imports ``pa``, ``pc``, ``pq`` or ``pa_csv`` from here.
"""

from __future__ import annotations

from ffenc.errors import DependencyError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq
except ImportError as err:  # pragma: no cover - depends on what is installed
    raise DependencyError("datasets are parquet files and need pyarrow: pip install 'ffenc-video[dataset]'") from err

__all__ = ["pa", "pa_csv", "pc", "pq"]
