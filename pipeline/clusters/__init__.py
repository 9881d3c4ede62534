"""Where chunks of lanes run: in this process, on this machine's Ray, or on a running Ray cluster."""
