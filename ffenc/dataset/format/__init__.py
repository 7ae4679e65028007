"""LeRobot v3.0 on disk: documents, tables, paths and column types."""
