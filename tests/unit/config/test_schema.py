"""The models made from the specifications: same ranges, same words, strict types."""

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter

import sim
from pipeline.errors import ConfigError
from pipeline.schema import Config
from pipeline.schema_errors import load_config
from pipeline.schema_spec import MODELS, CostPart, PolicyPart, SimulationPart

RUN = {"op": "run", "draw": {"kind": "exponential", "mean": 5}}
CLASSES = {"kind": "classes", "classes": {"a": {"count": 3, "program": [RUN]}}}
GOOD: dict[str, Any] = {
    "topology": {"kind": "host"},
    "workload": CLASSES,
    "policy": {},
    "cost": {},
    "cluster": {"kind": "inline"},
    "tracking": {"kind": "off"},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """GOOD with one more or another setting."""
    data = copy.deepcopy(GOOD)
    inner = data
    *heads, last = path.split(".")
    for word in heads:
        inner = inner[int(word)] if isinstance(inner, list) else inner.setdefault(word, {})
    inner[last] = value
    return data


def test_defaults_are_those_of_the_specifications() -> None:
    assert PolicyPart().spec() == sim.Policy()
    assert CostPart().spec() == sim.Cost()
    assert SimulationPart().spec() == sim.Simulation()


def test_every_field_of_a_specification_is_a_setting() -> None:
    for spec, model in MODELS.items():
        names = {f.name for f in dataclasses.fields(spec)}
        assert names - set(model.model_fields) <= {"name", "trace"}, spec


def test_ranges_and_sentences_reach_the_json_schema() -> None:
    schema = TypeAdapter(PolicyPart).json_schema()
    limit = schema["$defs"]["RateLimit"]
    assert limit["additionalProperties"] is False
    rate = limit["properties"]["rate_per_s"]
    field = sim.RateLimit.__dataclass_fields__["rate_per_s"]
    assert rate["anyOf"][0]["maximum"] == field.metadata["high"]
    assert rate["description"] == field.metadata["text"]
    json.dumps(Config.model_json_schema(), allow_nan=False)


def test_config_survives_pickle_and_is_frozen() -> None:
    config = load_config(GOOD)
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 2


def test_whole_numbers_are_taken_where_decimals_are_allowed() -> None:
    config = load_config(changed("policy.threshold_factor", 2))
    assert type(config.policy.threshold_factor) is float


def test_yaml_off_is_the_word_off() -> None:
    assert load_config(changed("policy.stealing.victim", False)).policy.stealing.victim == "off"
    assert load_config(changed("tracking.kind", False)).tracking.kind == "off"


BAD = [
    ("polcy", 1, "polcy = 1: unknown key", "policy?"),
    ("policy.treshold_factor", 1, "policy.treshold_factor = 1: unknown key", "threshold_factor?"),
    ("policy.threshold_factor", -1, "policy.threshold_factor = -1", "from 0 to inf"),
    ("policy.threshold_factor", "x", "must be a number", "without quotes"),
    ("policy.threshold_factor", True, "= true: must be a number", ""),
    ("policy.threshold_factor", float("nan"), "must be a number", ""),
    ("policy.threshold_factor", 20000, "0 to 10000, or .inf", ""),
    ("policy.stealing.batch", 2.0, "policy.stealing.batch = 2.0", "write 2"),
    ("policy.stealing.batch", True, "must be a whole number", ""),
    ("policy.stealing.victim", "farthest", "one of off, random, nearest, longest", ""),
    ("policy.stealing.victim", "nearst", "one of", "nearest?"),
    ("policy.stealing", 3, "must be a group of settings", ""),
    ("policy.migrate", 1, "must be true or false", ""),
    ("policy.limits.system.rate_per_s", 1e8, "rate x window", "shorten window_ns"),
    ("cost.misses", [1, 2], "four whole numbers", ""),
    ("cost.misses", [1, 2, 3, "x"], "cost.misses.3 = 'x'", ""),
    ("simulation.warmup_ns", 10**9, "simulation.warmup_ns", "below horizon_ns"),
    ("workload.kind", "class", "must be one of classes, replay", "classes?"),
    ("workload", {}, "workload.kind: must be one of", "workload=..."),
    ("workload", 3, "workload = 3: must be a group of settings", ""),
    ("workload.classes", {}, "1 to 64 classes", ""),
    ("workload.classes.b.count", 1, "workload.classes.b.program: must be given", ""),
    ("workload.classes.a.count", 1.5, "workload.classes.a.count", "whole number"),
    ("workload.classes.a.program.0.draw.kind", "exponental", "must be one of", "exponential?"),
    ("workload.classes.a.program.0.to", "zz", "workload.classes.a.program.0.to = 'zz'", "left out"),
    ("workload.classes.a.affinity.type", "strict", "a.affinity.cores = null", "list of cores"),
    ("workload.classes.a b.count", 1, "must be 1 to 64 letters", ""),
    ("cluster.workers", 2, "cluster.workers = 2: unknown key", ""),
    ("cluster.kind", "lokal", "must be one of inline, local, remote", "local?"),
    ("sweep", {"kind": "sobol", "samples": 10}, "power of two", "8 or 16"),
    ("sweep", {"kind": "grid", "axes": [1]}, "must be a mapping", ""),
    ("sweep", {"kind": "grid", "axes": {"policy.x": {}}}, "must be values to sweep over", ""),
    ("baseline", {"cost": "flat"}, "name of a policy", ""),
    ("seed", -1, "whole number from 0", ""),
    ("replicates", 0, "whole number from 1", ""),
    ("study", "a/b", "must be 1 to 64 letters", ""),
    ("output", "jsn", "must be one of table, json", "json?"),
    ("resume", "yes", "must be true or false", ""),
    ("outputs.folder", 3, "must be text", ""),
]


@pytest.mark.parametrize(("path", "value", "says", "hints"), BAD)
def test_bad_setting_is_named_with_what_is_allowed(path: str, value: object, says: str, hints: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(changed(path, value))
    text = str(caught.value)
    assert says in text
    assert hints in text
    assert "pydantic" not in text


def test_other_wrong_keys_are_mentioned() -> None:
    with pytest.raises(ConfigError, match="also wrong: replicates"):
        load_config({**GOOD, "seed": -1, "replicates": 0})
