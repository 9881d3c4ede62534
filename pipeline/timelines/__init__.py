"""A lane's log as a Perfetto trace."""
