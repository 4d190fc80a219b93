"""Bars of an exchange as they close, through ccxt.pro."""
