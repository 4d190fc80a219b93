"""Thousands of parameter sets on the same bars, compiled: for searching, never of record.

`sweep` is the way in, `sets` says what one set is, `market` what the bars are. The loop is `loop`,
with a file for each of its topics; `account` says what it works on.
"""
