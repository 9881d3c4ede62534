"""The models made from the specifications: same ranges, same words, strict types."""

import copy
import dataclasses
import json
import pickle
import re
from typing import Any

import pytest
from pydantic import TypeAdapter

import sim
from pipeline.config.schema import Config
from pipeline.config.schema_errors import load_config
from pipeline.config.schema_spec import MODELS, BindingPart, CostPart, FaultsPart, PolicyPart, SimulationPart
from pipeline.errors import ConfigError

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
    assert BindingPart().spec() == sim.Binding()
    assert FaultsPart().spec() == sim.Timeline()
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


WRITTEN = [
    ("binding.schedulers", 8),
    ("faults.changes", [{"time_ns": 5, "op": "core_offline", "cores": "0-3,8"}]),
    ("faults.changes", [{"op": "affinity", "affinity": {"type": "strict", "cores": "type:P"}}]),
    ("faults.changes", [{"op": "load", "factor": 2, "process_class": "a"}]),
    ("workload.classes.a.program", [RUN, {"op": "spawn", "to": "a", "affinity": "inherit"}]),
    ("workload.classes.a.program", [RUN, {"op": "spawn", "to": "a"}]),
    ("workload.classes.a.program", [RUN, {"op": "affinity", "affinity": {"type": "dynamic"}}]),
    ("workload.classes.a.affinity", {"type": "preferred", "preferred_core": 2, "max_migrations": 3}),
    ("workload.classes.a.memory", {"pattern": "streaming", "words_per_reduction": 2}),
    ("cost.power.frequency_exponent", 1),
    ("policy.triggers.core_failure", False),
]


@pytest.mark.parametrize(("path", "value"), WRITTEN, ids=[str(value) for _, value in WRITTEN])
def test_what_is_written_comes_back(path: str, value: object) -> None:
    config = load_config(changed(path, value))
    plain = json.loads(json.dumps(config.model_dump(mode="json")))
    assert load_config(plain) == config
    assert pickle.loads(pickle.dumps(config)) == config
    assert config.workload.workload() == load_config(plain).workload.workload()
    assert config.faults.spec() == load_config(plain).faults.spec()


def test_affinity_of_a_step_is_a_group_or_a_word() -> None:
    steps = [RUN, {"op": "affinity", "affinity": {"type": "strict", "cores": "0"}},
             {"op": "spawn", "to": "a", "affinity": "none"}]  # fmt: skip
    program = load_config(changed("workload.classes.a.program", steps)).workload.workload().classes[0].program
    assert [step.affinity for step in program] == [None, sim.Affinity(type="strict", cores="0"), "none"]


CHANGE = "faults.changes.0"
STEP = "workload.classes.a.program.1.affinity"
BAD_LISTS = [
    ([3], f"{CHANGE} = 3: must be a group of settings", ""),
    ([{"time_ns": 5}], f"{CHANGE}.op: must be given", ""),
    ([{"op": "core_ofline", "cores": "0"}], f"{CHANGE}.op = 'core_ofline': must be one of", "core_offline?"),
    ([{"op": "core_offline"}], f"{CHANGE}.cores = null: must be given for op core_offline", ""),
    ([{"op": "core_offline", "cores": 0}], f"{CHANGE}.cores = 0: must be text", "quotes"),
    ([{"op": "core_offline", "cores": "0", "mhz": 3}], f"{CHANGE}.mhz = 3: must be left out", ""),
    ([{"op": "frequency", "cores": "0", "mhz": 0}], f"{CHANGE}.mhz = 0", "from 1 to 100000 MHz"),
    ([{"op": "load", "factor": -1}], f"{CHANGE}.factor = -1", "from 0.001 to 1000"),
    ([{"op": "load", "factor": 2, "tim_ns": 3}], f"{CHANGE}.tim_ns = 3: unknown key", "time_ns?"),
    ([{"op": "affinity", "affinity": "strict"}], f"{CHANGE}.affinity = 'strict'", "a group of settings"),
    ([{"op": "affinity", "affinity": {"typ": "none"}}], f"{CHANGE}.affinity.typ", "type?"),
    ([{"op": "affinity", "affinity": {"type": "strict"}}], f"{CHANGE}.affinity.cores", "list of cores"),
    ([{"op": "affinity", "affinity": {}}], f"{CHANGE}.affinity = (:'type': 'inherit':)", "than inherit"),
]  # fmt: skip
BAD_STEPS = [
    ({"op": "affinity"}, f"{STEP} = null", "Affinity"),
    ({"op": "affinity", "affinity": "none"}, f"{STEP} = 'none'", "Affinity"),
    ({"op": "affinity", "affinity": 3}, f"{STEP} = 3: must be text", ""),
    ({"op": "affinity", "affinity": {"type": "strickt"}}, f"{STEP}.type = 'strickt'", "strict?"),
    ({"op": "affinity", "affinity": {"type": "strict"}}, f"{STEP}.cores = null", "list of cores"),
    ({"op": "spawn", "to": "a", "affinity": "parent"}, f"{STEP} = 'parent'", "one of class, inherit, none"),
    ({"op": "spawn", "to": "a", "affinity": {"type": "none"}}, f"{STEP} = ", "one of class, inherit, none"),
    ({"op": "send", "to": "a", "affinity": "class"}, f"{STEP} = 'class': must be left out for op send", ""),
]


@pytest.mark.parametrize(
    ("path", "value", "says", "hints"),
    [("faults.changes", value, says, hints) for value, says, hints in BAD_LISTS]
    + [("workload.classes.a.program", [RUN, step], says, hints) for step, says, hints in BAD_STEPS],
)
def test_bad_entries_and_steps_are_named_by_their_place(
    path: str, value: object, says: str, hints: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(changed(path, value))
    text = str(caught.value)
    assert says.replace("(:", "{").replace(":)", "}") in text
    assert hints in text
    assert not re.search(r"pydantic|<group>|<word>|Affinity\(", text)


BAD = [
    ("binding.mode", "statc", "binding.mode = 'statc': must be one of static, dynamic", "static?"),
    ("binding.order", "tsx", "binding.order = 'tsx': must be one of cores, ns, ts", "ts?"),
    ("binding.schedulers", 0, "a whole number from 1 to 4096, or null", ""),
    ("binding.colour", 1, "binding.colour = 1: unknown key", "known here: mode, order"),
    ("faults", [1], "faults = [1]: must be a group of settings", ""),
    ("faults.changes", 3, "faults.changes = 3: must be a list", ""),
    ("cost.batch_share", 2, "cost.batch_share = 2: must be a number from 0 to 1", ""),
    ("cost.power.off_mw", -1, "from 0 to 1000000 mW", ""),
    ("policy.triggers.power", 1, "must be true or false", ""),
    ("policy.limits.process.forbid_return", "no", "must be true or false", ""),
    ("simulation.node_memory_bytes", 0, "a whole number from 1", "bytes"),
    ("simulation.mailbox_capacity", 0, "a whole number from 1", "or null for no limit"),
    ("workload.classes.a.memory.pattern", "stream", "one of dependent, mixed, streaming", "streaming?"),
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
    ("sweep", {"kind": "sobol", "points": 10}, "power of two", "8 or 16"),
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
