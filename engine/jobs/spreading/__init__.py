"""Jobs that need no other, side by side: in processes of this machine, or on a Dask cluster."""
