"""Names of the columns of the kernel's int64 tables; no code."""
