"""A long run of the kernel under faults, in which every invariant of its memory is checked again and again."""
