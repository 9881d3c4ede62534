"""From a command line to a study: composition, validation, axes, points."""
