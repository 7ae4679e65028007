"""Rows of data about encoders, without input or output.

`spec` defines a row.  `software` and `hardware` hold the rows, `table` looks them up, and `settings` and `parameters` hold
the options of the libraries behind them.  `option_effects` reads what each option did when measured.
"""
