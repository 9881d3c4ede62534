"""The configuration groups, data only; `pipeline/compose.py` reads them."""
