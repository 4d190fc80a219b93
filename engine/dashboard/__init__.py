"""The dashboard: one page that shows a paper session while it runs, and changes nothing."""
