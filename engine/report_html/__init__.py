"""A run as one page that a person likes to read: `runs/<id>/report.html`."""
