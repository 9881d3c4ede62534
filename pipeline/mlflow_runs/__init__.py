"""A finished study as MLflow's experiments, runs, datasets and views."""
