"""From a command line to a study: structure composed once, numbers set on plain data.

Hydra composes one configuration for each combination of groups (topology, workload, policy, cost,
binding, faults): 70 ms each. Every other axis is a leaf that is set on the validated data of one section,
and each distinct section is validated and built once, so that ten thousand points take seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.adaptive.race_steps import check_budget, steps_of
from pipeline.adaptive.search_space import Space
from pipeline.config.axes import POINTS_MAX, Axis, Scalar, axis_of, check_option, parse_overrides
from pipeline.config.build import check_together, section_digest
from pipeline.config.compose import GROUPS, Command, compose, current_loader, program_words
from pipeline.config.design_range import takes_whole
from pipeline.config.grid import Assignment, Point, Study, expand_grid, expand_samples, study_axes
from pipeline.config.leaves import MISSING, combined_digest, find_leaf, set_leaves, suggest_key
from pipeline.config.relative import RELATIVE, SCHEDULERS_KEY, resolve_schedulers, schedulers_text
from pipeline.config.schema import LABELS, SHARED, SIMULATED, Config
from pipeline.config.schema_errors import load_config, load_section
from pipeline.errors import NO_VALUE, ConfigError

GROUP_AXES = ("topology", "workload", "policy", "cost", "binding", "faults")
# Groups whose sections have a name of their own.
NAMED = ("topology", "workload", "policy", "faults")


@dataclass
class Structure:
    """A composed configuration before leaves are set, with the sections derived from it so far.

    relative : +S as it was written, if it is relative to the machine
    """

    config: Config
    choices: dict[str, str]
    relative: str | None = None
    sections: dict[tuple[Any, ...], tuple[Any, str]] = field(default_factory=dict)

    @property
    def names(self) -> str:
        """The choices that distinguish it, for messages."""
        return " ".join(f"{group}={self.choices[group]}" for group in GROUP_AXES if group in self.choices)

    def section(self, name: str, leaves: Mapping[str, Scalar]) -> tuple[Any, str]:
        """A section with some leaves set, and its digest; made once."""
        key = (name, *((path, type(value), value) for path, value in leaves.items()))
        if key not in self.sections:
            part = getattr(self.config, name)
            if leaves:
                part = load_section(name, set_leaves(part, leaves, self.names))
            self.sections[key] = part, section_digest(name, part)
        return self.sections[key]

    def with_leaves(self, leaves: Mapping[str, Scalar]) -> tuple[Config, str]:
        """The configuration with some leaves set, and the digest of what it simulates."""
        leaves = self.counted(leaves)
        changed: dict[str, Any] = {}
        digests = []
        for name in SIMULATED:
            own = {key: value for key, value in leaves.items() if key.split(".")[0] == name}
            part, digest = self.section(name, own)
            digests.append(digest)
            if own:
                changed[name] = part
        config = self.config.model_copy(update=changed) if changed else self.config
        return config, combined_digest(digests)

    def counted(self, leaves: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Leaves with +S as a number where it is one relative to the machine, which they may change."""
        word = leaves.get(SCHEDULERS_KEY, self.relative)
        is_set_before = SCHEDULERS_KEY not in leaves and not any_of(leaves, "topology", "binding")
        if word not in RELATIVE or is_set_before:
            return leaves
        parts = [
            self.section(name, {k: v for k, v in leaves.items() if any_of([k], name)})[0]
            for name in ("topology", "binding")
        ]
        return {**leaves, SCHEDULERS_KEY: schedulers_text(str(word), parts[0], parts[1].schedulers)}


def any_of(keys: Iterable[str], *sections: str) -> bool:
    """Whether a key is one of these sections."""
    return any(key.split(".", maxsplit=1)[0] in sections for key in keys)


class Composer:
    """Composes structures for a command, each once."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.structures: dict[tuple[Any, ...], Structure] = {}

    def structure(self, choices: Mapping[str, str], *, keep_policy: bool = True) -> Structure:
        """The structure with these options; `keep_policy=False` drops overrides of policy leaves."""
        key = (keep_policy, *choices.items())
        if key not in self.structures:
            fixed = [
                str(o.input_line)
                for o in self.command.fixed
                if o.key_or_group not in choices and (keep_policy or not o.key_or_group.startswith("policy."))
            ]
            plain, chosen = compose([*fixed, *(f"{group}={name}" for group, name in choices.items())])
            relative = resolve_schedulers(plain)
            self.structures[key] = Structure(self.load(plain, chosen), chosen, relative)
        return self.structures[key]

    def load(self, plain: dict[str, Any], choices: Mapping[str, str]) -> Config:
        """Validate composed data; sections are named after their options unless named by hand."""
        for group in NAMED:
            section = plain.get(group)
            if isinstance(section, dict) and group in choices:
                if group == "policy" and not self.command.fixes("policy.name"):
                    section["name"] = choices[group]
                section.setdefault("name", choices[group])
        try:
            return load_config(plain)
        except ConfigError as error:
            if error.allowed != "unknown key":
                raise
            hint = suggest_key(error.key, plain) or error.hint
            raise ConfigError(error.key, error.value, error.allowed, hint) from None


@dataclass
class Draft:
    """A point before all of them are known."""

    structure: Structure
    leaves: Assignment
    config: Config
    digest: str


def make_study(command: Command, module: str = "pipeline.sweep") -> Study:
    """Expand a command into the points of a study, all validated; call it inside `with_hydra`.

    The baseline is a point of the study, added behind the others where no axis gives it. Points
    that come to the same settings are merged, the first one stays.

    Raises
    ------
    ConfigError for the first thing that is wrong; nothing was started or written
    """
    composer = Composer(command)
    base = composer.structure({})
    check_flags(command, base)
    for key in command.swept:
        check_axis_key(key, base)
    grids = sweep_grids(base.config, command)
    axes = study_axes(grids)
    searched = searched_axes(base, grids)
    items = assignments(base, grids)
    drafts = [make_draft(composer, base, item) for item in items]
    unique = {draft.digest: draft for draft in reversed(drafts)}
    ordered = {d.digest: unique[d.digest] for d in drafts}
    merged = len(drafts) - len(ordered)
    baselines = add_baselines(composer, base, ordered)
    index = {digest: place for place, digest in enumerate(ordered)}
    check_all(ordered.values())
    points = tuple(
        make_point(index[digest], axes, draft, index[baselines[digest]]) for digest, draft in ordered.items()
    )
    study = Study(
        name=base.config.study,
        points=points,
        baseline_index=points[0].baseline_index,
        axes=axes,
        replicates=base.config.replicates,
        seed=base.config.seed,
        config=base.config,
        command=program_words(module, command),
        merged=merged,
        **saltelli_rows(base.config, grids, [index[draft.digest] for draft in drafts]),
    )
    if searched:
        # The draws of the first batch come before the points of further grids.
        sweep: Any = base.config.sweep
        count = min(sweep.points, sweep.batch)
        first = {index[d.digest]: item for d, item in zip(drafts[:count], items[:count], strict=True)}
        return replace(study, search=space_of(study, composer, base, searched, first))
    check_race(study)
    return study


def saltelli_rows(
    config: Config, grids: Sequence[Mapping[str, Axis]], drawn: Sequence[int]
) -> dict[str, Any]:
    """Which points the rows of a Saltelli design came to, and its axes; nothing of other designs.

    Parameters
    ----------
    drawn : point of each draft, the design's first
    """
    if config.sweep.kind != "saltelli":
        return {}
    axes = tuple(grids[0])
    rows = config.sweep.points * (len(axes) + 2)
    return {"samples": tuple(drawn[:rows]), "sampled_axes": axes}


# --- axes -----------------------------------------------------------------------------------------


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


def check_flags(command: Command, base: Structure) -> None:
    """Raise ConfigError where `flags="..."` would have no effect."""
    policy = base.config.policy.spec()
    if command.is_erl and not policy.erts.enabled and "policy" not in command.swept:
        hint = "take policy=erts, or leave policy= out"
        raise ConfigError("flags", NO_VALUE, f"have no effect with policy={base.choices['policy']}", hint)


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
    if first in type(base.config).model_fields:
        raise ConfigError(key, NO_VALUE, f"cannot be swept; groups can ({', '.join(GROUP_AXES)}) and any "
                          f"setting below {', '.join(SIMULATED)}")  # fmt: skip
    hint = suggest_key(key, base.config.model_dump())
    raise ConfigError(key, NO_VALUE, "unknown key", hint)


# --- points ---------------------------------------------------------------------------------------


def make_draft(composer: Composer, base: Structure, item: Assignment) -> Draft:
    """Compose the groups of an assignment and set its leaves."""
    groups = {key: str(value) for key, value in item.items() if key in GROUP_AXES}
    for group, choice in groups.items():
        if base.choices.get(group) != choice and (group, choice) not in composer.structures:
            check_option(current_loader(), group, choice)
    leaves = {key: value for key, value in item.items() if key not in GROUP_AXES}
    return draft_of(composer.structure(groups), leaves)


def draft_of(structure: Structure, leaves: Assignment) -> Draft:
    """A draft with its configuration."""
    config, digest = structure.with_leaves(leaves)
    return Draft(structure, leaves, config, digest)


def add_baselines(composer: Composer, base: Structure, drafts: dict[str, Draft]) -> dict[str, str]:
    """Append the baselines that are not points yet; gives the baseline's digest for each point's."""
    policy = dict(base.config.baseline)
    choice = policy.pop("policy", None)
    if choice is not None:
        check_option(current_loader(), "policy", choice)
    known: dict[tuple[Any, ...], str] = {}
    found: dict[str, str] = {}
    for draft in list(drafts.values()):
        groups = {g: n for g, n in draft.structure.choices.items() if g in GROUP_AXES}
        leaves = {k: v for k, v in draft.leaves.items() if not k.startswith("policy.")}
        groups["policy"] = str(choice) if choice is not None else groups["policy"]
        key = (*groups.items(), *leaves.items())
        if key not in known:
            structure = composer.structure(groups, keep_policy=False)
            made = draft_of(structure, {**leaves, **policy})
            drafts.setdefault(made.digest, made)
            known[key] = made.digest
        found[draft.digest] = known[key]
    # What was added is its own baseline.
    return {digest: found.get(digest, digest) for digest in drafts}


def check_all(drafts: Iterable[Draft]) -> None:
    """Check the rules across sections, for all that share a batch at once."""
    batches: dict[tuple[int, ...], list[Config]] = {}
    for draft in drafts:
        config = draft.config
        key = tuple(id(getattr(config, name)) for name in SHARED)
        batches.setdefault(key, []).append(config)
    for configs in batches.values():
        check_together(configs)


def make_point(place: int, axes: Sequence[str], draft: Draft, baseline: int) -> Point:
    """A point of the study, with its number and that of its baseline."""
    labels = {group: draft.structure.choices.get(group, "custom") for group in LABELS}
    values: dict[str, Scalar] = {}
    for key in axes:
        value = draft.structure.choices.get(key) if key in GROUPS else find_leaf(draft.config, key)
        values[key] = None if value is MISSING else value
    return Point(
        index=place,
        axes=values,
        config=draft.config,
        labels=labels,
        digest=draft.digest,
        baseline_index=baseline,
    )


# --- adaptive designs -----------------------------------------------------------------------------


def design_kind(sweep: Any) -> str:
    """How the points that a study begins with come from its axes."""
    return {"race": getattr(sweep, "design", ""), "search": "latin"}.get(sweep.kind, str(sweep.kind))


def check_race(study: Study) -> None:
    """Raise ConfigError for settings of a race that cannot be."""
    settings = study.config.sweep
    if settings.kind != "race":
        return
    if study.config.objective is not None:
        hint = "take sweep.kind=grid, or objective=null and front.objectives"
        allowed = "cannot be raced for: a race keeps the front, and may drop what is best in one metric"
        raise ConfigError("objective.metric", study.config.objective.metric, allowed, hint)
    check_budget(settings.lanes, len(study.points) * steps_of(settings, study.replicates)[0])


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


def space_of(
    study: Study,
    composer: Composer,
    base: Structure,
    axes: Sequence[Axis],
    first: Mapping[int, Assignment],
) -> Space[Point]:
    """What a search proposes, and how that becomes a point, which needs no Hydra any more."""
    policies = [axis.values for axis in axes if axis.key == "policy"] or [()]
    structures = {str(name): composer.structure({"policy": str(name)}) for name in policies[0]}
    (baseline,) = {point.baseline_index for point in study.points}

    def make(item: Assignment, place: int) -> Point:
        leaves = {key: value for key, value in item.items() if key != "policy"}
        draft = draft_of(structures[str(item["policy"])] if structures else base, leaves)
        check_together([draft.config])
        return make_point(place, study.axes, draft, baseline)

    space = Space(tuple(axes), make, first)
    for item in space.corners():
        make(item, 0)
    return space
