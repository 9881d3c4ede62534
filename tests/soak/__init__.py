"""A long run of the kernel under faults: every invariant of its memory is checked again and again."""
