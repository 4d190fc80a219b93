"""Faults, counted: scripted sessions against the stand-in, beside the same ones undisturbed."""
