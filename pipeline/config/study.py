"""From a command line to the points of a study, all of them validated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.adaptive.race_steps import check_budget, steps_of
from pipeline.adaptive.search_space import Space
from pipeline.config.axes import Axis, Scalar, check_option
from pipeline.config.build import check_together
from pipeline.config.compose import GROUPS, Command, current_loader, program_words
from pipeline.config.grid import Assignment, Point, Study, study_axes
from pipeline.config.leaves import MISSING, find_leaf
from pipeline.config.schema import LABELS, SHARED, Config
from pipeline.config.structure import GROUP_AXES, Composer, Structure
from pipeline.config.sweep_axes import assignments, check_axis_key, searched_axes, sweep_grids
from pipeline.errors import NO_VALUE, ConfigError


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


def check_flags(command: Command, base: Structure) -> None:
    """Raise ConfigError where `flags="..."` would have no effect."""
    policy = base.config.policy.spec()
    if command.is_erl and not policy.erts.enabled and "policy" not in command.swept:
        hint = "take policy=erts, or leave policy= out"
        raise ConfigError("flags", NO_VALUE, f"have no effect with policy={base.choices['policy']}", hint)


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
