"""What `pipeline.doctor` looks at."""
