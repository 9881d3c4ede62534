"""Is every part of the kernel watched? It is broken in listed ways, one at a time: some test must fail."""
