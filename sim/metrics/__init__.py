"""From what a lane counted to what it means: one row of named numbers a lane."""
