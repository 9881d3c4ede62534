"""The configuration groups, data only; `pipeline/config/compose.py` reads them."""
