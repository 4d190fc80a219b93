"""What the page of a run is drawn from."""
