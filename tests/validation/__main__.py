"""Run the validation suite: `make validate`, or `python -m tests.validation [--quick] [--only NAME ...]`."""

from tests.validation.command import main

if __name__ == "__main__":
    raise SystemExit(main())
