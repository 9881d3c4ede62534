"""What a study varies: the axes of its files and its command line, and what each point sets of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.config.axes import POINTS_MAX, Axis, axis_of, parse_overrides
from pipeline.config.compose import GROUPS, Command, current_loader
from pipeline.config.design_range import takes_whole
from pipeline.config.grid import Assignment, expand_grid, expand_samples, study_axes
from pipeline.config.leaves import suggest_key
from pipeline.config.schema import SIMULATED, Config
from pipeline.config.structure import GROUP_AXES, Structure, any_of
from pipeline.errors import NO_VALUE, ConfigError


def sweep_grids(config: Config, command: Command) -> list[dict[str, Axis]]:
    """The axes of the first grid, then those of each further one, command line included.

    A key that the command line sweeps takes its values from there; one that it fixes is no axis.
    A further grid that has no axis left is dropped.
    """
    grids: list[dict[str, Axis]] = []
    for override in command.swept.values():
        override.config_loader = current_loader()
    for place, texts in enumerate((config.sweep.axes, *config.sweep.also)):
        free = {key: text for key, text in texts.items() if not command.fixes(key)}
        if place and not free:
            continue
        axes = {key: read_axis(key, text) for key, text in free.items()}
        axes.update({key: axis_of(override) for key, override in command.swept.items()})
        grids.append(axes)
    return grids


def read_axis(key: str, text: str) -> Axis:
    """An axis of a YAML file."""
    (override,) = parse_overrides([f"{key}={text}"], current_loader())
    if override.is_sweep_override():
        return axis_of(override)
    value = override.value()
    if isinstance(value, (list, dict)):
        raise ConfigError(f"sweep.axes.{key}", text, "must be values to sweep over", 'write "1,2,4"')
    return Axis(key, (value,))  # type: ignore[arg-type]


def assignments(base: Structure, grids: Sequence[Mapping[str, Axis]]) -> list[Assignment]:
    """What each point sets, grid by grid."""
    sweep: Any = base.config.sweep
    found: list[Assignment] = []
    for place, grid in enumerate(grids):
        axes = [whole_where_needed(axis, base) for axis in grid.values()]
        for axis in axes:
            check_axis_key(axis.key, base)
        kind = design_kind(sweep)
        if place == 0 and kind != "grid":
            # Of a search, the first batch: the others depend on what comes of it.
            count = min(sweep.points, sweep.batch) if sweep.kind == "search" else sweep.points
            found += expand_samples(axes, kind, count, sweep.seed)
        else:
            found += expand_grid(axes, sweep.levels)
        if len(found) > POINTS_MAX:
            raise ConfigError("sweep", NO_VALUE, f"has over {POINTS_MAX} points", "give fewer values")
    return found


def whole_where_needed(axis: Axis, base: Structure) -> Axis:
    """An interval over a setting that is a whole number gives whole numbers."""
    if not axis.is_interval or axis.key in GROUPS:
        return axis
    return replace(axis, is_whole=True) if takes_whole(base.config, axis.key) else axis


def check_axis_key(key: str, base: Structure) -> None:
    """Raise ConfigError for a key that cannot be swept."""
    first = key.split(".", maxsplit=1)[0]
    if key in GROUP_AXES or ("." in key and first in SIMULATED):
        return
    if key in GROUPS or first in GROUPS:
        raise ConfigError(key, NO_VALUE, "takes one value; a study is one experiment in one place")
    if key in ("seed", "replicates"):
        raise ConfigError(key, NO_VALUE, "cannot be swept", "raise replicates: each has seeds of its own")
    if key in ("front.objectives", "front.constraints"):
        raise ConfigError(key, NO_VALUE, "takes a list in brackets", f"write '{key}=[first,second]'")
    if first in type(base.config).model_fields:
        raise ConfigError(key, NO_VALUE, f"cannot be swept; groups can ({', '.join(GROUP_AXES)}) and any "
                          f"setting below {', '.join(SIMULATED)}")  # fmt: skip
    hint = suggest_key(key, base.config.model_dump())
    raise ConfigError(key, NO_VALUE, "unknown key", hint)


def design_kind(sweep: Any) -> str:
    """How the points that a study begins with come from its axes."""
    return {"race": getattr(sweep, "design", ""), "search": "latin"}.get(sweep.kind, str(sweep.kind))


def searched_axes(base: Structure, grids: Sequence[Mapping[str, Axis]]) -> list[Axis]:
    """The axes of a search; none for another design.

    Raises
    ------
    ConfigError without an axis, or for one that is no setting of the policy
    """
    if base.config.sweep.kind != "search":
        return []
    if not grids[0]:
        hint = "add axes, as in policy.threshold_factor='tag(log,interval(0.25,8))'"
        raise ConfigError("sweep.axes", NO_VALUE, "a search needs at least one axis", hint)
    for key in study_axes(grids):
        if not any_of([key], "policy"):
            hint = "search each in a study of its own; sweep=race and plain designs take several"
            allowed = "is no setting of the policy: a search is on one machine, under one load"
            raise ConfigError(key, NO_VALUE, allowed, hint)
    return [whole_where_needed(axis, base) for axis in grids[0].values()]
