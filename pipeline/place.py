"""Where the sources of this program lie."""

from pathlib import Path

# The folder that holds the packages `sim`, `pipeline` and `conf`: of a checkout, its top.
ROOT = Path(__file__).resolve().parent.parent
