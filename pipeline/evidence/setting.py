"""The setting of one point: its policy, the flags of `erl` that say the same, and both in a line."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import sim
from pipeline.config.build import build_topology
from pipeline.config.erl_flags import FIELDS, PREFIX, erts_of, flag_line
from pipeline.config.schema_errors import load_section
from pipeline.errors import UserError
from pipeline.evidence.aggregate import RunTables, is_policy_key
from pipeline.evidence.rerun import has_value, policy_field
from pipeline.plain import plain, plain_name


def setting_text(run: RunTables, row: Mapping[str, Any], *, unlimited: bool = True) -> str:
    """The decision variables of a point in one line: policy, then what the sweep varied.

    `unlimited` says whether a limit that is not set (null) is named too.
    """
    words = [str(row["policy"])] if row.get("policy") is not None else []
    for axis in run.axes:
        named = is_policy_key(axis) and axis != "policy" and has_value(axis, row[axis])
        if named and axis.removeprefix(PREFIX) in FIELDS:
            # As on erl's command line, where what is not set is not named.
            words += [f"+{axis.removeprefix(PREFIX)} {plain(row[axis])}"] if row[axis] is not None else []
        elif named and (unlimited or row[axis] is not None):
            words.append(f"{plain_name(axis)} {'null' if row[axis] is None else plain(row[axis])}")
    return ", ".join(words)


def policy_of(run: RunTables, row: Mapping[str, Any]) -> dict[str, Any]:
    """The complete policy of a point.

    The points' table has every scalar of each point's policy; the configuration fills what it lacks.
    """
    resolved = (run.manifest.get("policies") or {}).get(row.get("policy"))
    policy: dict[str, Any] = copy.deepcopy(dict(resolved or run.config.get("policy") or {}))
    for key in run.points.columns:
        if key.startswith("policy.") and has_value(key, row[key]):
            put(policy, key.removeprefix("policy.").split("."), row[key])
    if row.get("policy") is not None:
        policy["name"] = row["policy"]
    return policy


def put(mapping: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a nested value; a number that the specification wants whole is made whole."""
    field = policy_field(path)
    if isinstance(value, float) and field is not None and "int" in str(field.type):
        value = int(value)
    for part in path[:-1]:
        child = mapping.get(part)
        if not isinstance(child, dict):
            child = mapping[part] = {}
        mapping = child
    mapping[path[-1]] = value


def fixed_binding(run: RunTables) -> Mapping[str, Any] | None:
    """The group `binding` of all points, with a bind type that says the same as its order, if there is one.

    None if the study varies it.
    """
    if any(axis.split(".")[0] == "binding" for axis in run.axes):
        return None
    binding = dict(run.config.get("binding") or {})
    if binding.get("order") == "cores" and not any(a.split(".")[0] == "topology" for a in run.axes):
        binding["order"] = bind_type_of_cores(run.config.get("topology") or {}) or "cores"
    return binding


def bind_type_of_cores(section: Mapping[str, Any]) -> str | None:
    """The bind type that puts scheduler k on core k of a machine; None if there is none."""
    try:
        machine = build_topology(load_section("topology", section))
    except UserError:  # its file is no longer there
        return None
    cores, beam = tuple(int(os_index) for os_index in machine.core_os_index), sim.beam_of(machine)
    return next((name for name in sim.BIND_TYPES if sim.bind_order(beam, name) == cores), None)


def flags_of_row(run: RunTables, row: Mapping[str, Any]) -> str:
    """The flags of `erl` of a point in short; "" if it has not the BEAM's own scheduler."""
    flags = erts_of(policy_of(run, row), fixed_binding(run))
    return "" if flags is None else flag_line(flags) or "erl without flags"
