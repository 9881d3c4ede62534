"""From a recorded run back to its numbers: finding it, comparing, running again."""
