"""Market data: bars, their quality, files, indicators and the arithmetic of exits."""
