"""How sure a figure is: intervals, Sharpe ratios, and what was looked at."""
