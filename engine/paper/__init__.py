"""Trading on paper: live moments, an account that lasts, and proof that both are the backtest's."""
