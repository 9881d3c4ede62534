"""A study's lanes computed: chunks, workers, and the run folder that survives a kill."""
