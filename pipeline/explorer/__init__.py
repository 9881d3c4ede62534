"""What `pipeline.explore` shows, in the terminal and in the browser."""
