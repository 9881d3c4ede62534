"""pipeline/KEYS.md is that of the schema; with sim/REFERENCE.md it has every key of a study."""

from pipeline import keys
from pipeline.config.schema import Config
from pipeline.config.schema_spec import SpecPart
from sim import reference
from tests.docs.pages import anchors


def test_the_page_is_current():
    assert keys.PAGE.read_text(encoding="utf-8") == keys.page(), "run: python -m pipeline.keys"


def test_the_page_of_the_simulator_is_current():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run: python -m sim.reference"


def test_every_key_is_on_a_page():
    pages = keys.PAGE.read_text(encoding="utf-8") + reference.PAGE.read_text(encoding="utf-8")
    schema = Config.model_json_schema()
    every = {name for node in schema["$defs"].values() for name in node.get("properties", ())}
    assert len(every) > 150
    missing = {n for n in every if f"`{n}`" not in pages and f".{n}`" not in pages and f"`{n}." not in pages}
    # What tells the kinds of a group apart stands in headings; the list of changes is the section's name.
    assert {n for n in missing if f".{n}." not in pages} <= {"kind", "changes"}


def test_links_to_the_simulators_page_have_their_headings():
    assert {*keys.ELSEWHERE.values(), *keys.ELSEWHERE_KINDS.values()} <= anchors(reference.PAGE)
    specs = {
        name
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, SpecPart)
    }
    assert specs == set(keys.ELSEWHERE)


def test_how_a_key_is_shown():
    node = {
        "type": "integer",
        "minimum": 1,
        "maximum": 8,
        "unit": "ns",
        "default": 2,
        "description": "a|b\nc",
    }
    assert list(keys.key_rows("k", node, {})) == ["| `k` | 2 | 1 to 8 ns | a\\|b |"]
    either = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "default": None}
    assert list(keys.key_rows("k", either, {})) == ["| `k` | null | 0 or more, null |  |"]
    assert keys.main(["x"]) == 2
