"""Pin the results as they are now: python -m tests.golden.update"""

import json

from tests.golden.lanes import STORED, records

if __name__ == "__main__":
    STORED.write_text(json.dumps(records(), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {STORED}; say in CHANGELOG.md, under Results changed, what moved and why")
