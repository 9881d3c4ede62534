"""Pydantic models made from the simulator's specifications, so that each range is declared once.

A specification is a frozen dataclass whose fields carry their range, choices and sentence
(`sim/spec/base.py`). `spec_model` turns one into a model that refuses unknown keys, wrong types and
values out of range with the words of the specification, and that hands the specification back.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

import sim
from pipeline.errors import did_you_mean
from sim import SpecError


class Part(BaseModel):
    """A group of settings: frozen, and closed against unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown(cls, data: Any) -> Any:
        """Name the first unknown key, with the nearest known one."""
        if isinstance(data, cls):
            return data
        known = list(cls.model_fields)
        if not isinstance(data, Mapping):
            raise problem(f"must be a group of settings: {', '.join(known)}", value=data)
        if cls.model_config.get("extra") == "forbid":
            for key in data:
                if key not in known:
                    hint = did_you_mean(key, known) or f"known here: {', '.join(known)}"
                    raise problem("unknown key", where=str(key), value=data[key], hint=hint)
        return data


def problem(allowed: str, **about: Any) -> PydanticCustomError:
    """A validation error in words of our own: `where` (below the model), `value` and `hint`."""
    text = allowed.replace("{", "(").replace("}", ")")
    return PydanticCustomError("coreshift", text, {"allowed": allowed, **about})


class SpecPart(Part):
    """A model with a specification of the simulator behind it; `spec()` gives that."""

    spec_type: ClassVar[Any]
    spec_names: ClassVar[tuple[str, ...]] = ()
    spec_fixed: ClassVar[dict[str, Any]] = {}
    _spec: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def check_spec(self) -> typing.Self:
        """Make the specification, which checks the rules across fields."""
        # Not self._spec: pydantic's way to a private attribute costs ten times this one.
        if (self.__pydantic_private__ or {}).get("_spec") is not None:
            return self
        given = {name: as_spec(getattr(self, name)) for name in self.spec_names}
        try:
            self._spec = self.spec_type(**given, **self.spec_fixed)
        except SpecError as error:
            raise problem(
                f"must be {error.allowed}", where=error.where, value=as_written(error.value), hint=error.hint
            ) from None
        return self

    def spec(self, **changes: Any) -> Any:
        """The specification, with the fields that configuration does not hold set to `changes`."""
        made = (self.__pydantic_private__ or {})["_spec"]
        return dataclasses.replace(made, **changes) if changes else made


def as_spec(value: Any) -> Any:
    """The specification of a model, in tuples too; anything else as it is."""
    if isinstance(value, SpecPart):
        return value.spec()
    return tuple(as_spec(item) for item in value) if isinstance(value, tuple) else value


def as_written(value: Any) -> Any:
    """A specification as the settings that one wrote for it; anything else as it is."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    return {name: item for name, item in dataclasses.asdict(value).items() if item is not None}


def bounded(kind: type, low: float, high: float, text: str, *, optional: bool = False, unit: str = "") -> Any:
    """An annotated number with an inclusive range: no bool for int, no 3.0 for int, no text."""
    words = number_words(kind, low, high, unit)
    if optional:
        # Where null means something else, the field's sentence says so.
        words += ", or null" if "null =" in text else ", or null for no limit"

    def check(value: Any) -> Any:
        if value is None and optional:
            return value
        good = isinstance(value, int if kind is int else (int, float))
        if not good or isinstance(value, bool) or not low <= value <= high:
            raise problem(f"must be {words}", value=value, hint=number_hint(kind, value, low, high))
        return kind(value)

    limits = {"ge": low, "le": high}
    # JSON has no infinity; a bound that is none is left out.
    finite: Any = {k: kind(v) for k, v in limits.items() if abs(v) != float("inf")}
    number: Any = Annotated[kind, Field(**finite)]
    whole = number | None if optional else number
    extra: Any = {"unit": unit} if unit else None
    return Annotated[whole, Field(description=text, json_schema_extra=extra), BeforeValidator(check)]


def number_words(kind: type, low: float, high: float, unit: str) -> str:
    """A range in words."""
    words = f"a {'whole ' if kind is int else ''}number from {plain(low)} to {plain(high)}"
    return words + (f" {unit}" if unit else "")


def plain(value: float) -> str:
    """A bound as one would write it: 1000000 rather than 1e+06, but 1e+15."""
    whole = abs(value) < 1e9 and float(value).is_integer()
    return str(int(value)) if whole else f"{value:g}"


def number_hint(kind: type, value: Any, low: float, high: float) -> str:
    """What to write instead, where that is plain."""
    if kind is int and isinstance(value, float) and value.is_integer() and low <= value <= high:
        return f"write {int(value)}"
    if isinstance(value, str):
        return "write a number without quotes or units"
    return ""


def one_of(options: tuple[str, ...], text: str) -> Any:
    """An annotated choice among words; YAML's `off` arrives as False and `27` as a number."""

    def check(value: Any) -> Any:
        value = "off" if value is False and "off" in options else value
        if type(value) is int and str(value) in options:
            # A word of digits, such as a release, needs no quotes.
            value = str(value)
        if value not in options:
            hint = did_you_mean(value, options)
            raise problem(f"must be one of {', '.join(options)}", value=value, hint=hint)
        return value

    return Annotated[Literal[options], Field(description=text), BeforeValidator(check)]


def check_word(value: Any) -> Any:
    """Refuse what is not text, saying how to write a number as text."""
    if not isinstance(value, str):
        raise problem("must be text", value=value, hint="put it in quotes")
    return value


def check_switch(value: Any) -> Any:
    """Refuse what is not a boolean."""
    if not isinstance(value, bool):
        raise problem("must be true or false", value=value)
    return value


def check_schedulers(value: Any) -> Any:
    """Text for +S; a number only where it cannot be two numbers that YAML has read as one.

    YAML 1.1 takes 8:4 without quotes for minutes and seconds (484). No such number is below 60.
    """
    if type(value) is int and 0 <= value < SEXAGESIMAL_MIN:
        return str(value)
    if type(value) is int:
        minutes, seconds = divmod(value, SEXAGESIMAL_MIN)
        meant = f'S: "{minutes}:{seconds}"'
        hint = f"in a file put it in quotes, {meant}; without them YAML reads that as the number {value}"
        raise problem('must be text, "N" or "N:M"', value=value, hint=hint)
    if value is not None:
        try:
            sim.Erts(S=value)
        except SpecError as error:
            raise problem(f"must be {error.allowed}; or all, cores, half, or null", value=value) from None
    return value


SEXAGESIMAL_MIN = 60
Word = Annotated[str, BeforeValidator(check_word)]
Switch = Annotated[bool, BeforeValidator(check_switch)]
# Fields whose text YAML could mangle.
FIELD_CHECKS = {(sim.Erts, "S"): Annotated[str | None, BeforeValidator(check_schedulers)]}
MODELS: dict[Any, type[SpecPart]] = {}
# In the places of errors these stand for the member of a union, not for a word of a key.
GROUP_TAG, WORD_TAG = "<group>", "<word>"
UNION_TAGS = (GROUP_TAG, WORD_TAG)


def spec_model(
    spec: Any,
    *,
    name: str | None = None,
    leave_out: tuple[str, ...] = (),
    fixed: Mapping[str, Any] | None = None,
    add: Mapping[str, tuple[Any, Any]] | None = None,
) -> type[SpecPart]:
    """The model of a specification, and of those inside it.

    Parameters
    ----------
    spec      : specification class of `sim`
    name      : name of the model; that of the specification if left out
    leave_out : fields that the configuration does not hold
    fixed     : stand-ins for those without a default, for the check of the others
    add       : further fields of the model, name -> (type, default)
    """
    hints = typing.get_type_hints(spec)
    fields = [f for f in dataclasses.fields(spec) if f.name not in leave_out]
    members = {
        f.name: (FIELD_CHECKS.get((spec, f.name)) or field_type(f, hints[f.name]), field_default(f))
        for f in fields
    }
    model: type[SpecPart] = create_model(  # type: ignore[call-overload]
        name or spec.__name__,
        __base__=SpecPart,
        __module__=__name__,
        __doc__=spec.__doc__,
        **members,
        **(add or {}),
    )
    model.spec_type, model.spec_fixed = spec, dict(fixed or {})
    model.spec_names = tuple(members)
    MODELS.setdefault(spec, model)
    # Pickle finds a model by its module and name.
    globals()[model.__name__] = model
    return model


def field_type(field: "dataclasses.Field[Any]", hint: Any) -> Any:
    """The annotated type of one field of a specification."""
    meta = field.metadata
    text = str(meta.get("text", ""))
    if "low" in meta:
        kind = int if int in (hint, *typing.get_args(hint)) else float
        return bounded(kind, meta["low"], meta["high"], text, optional=meta["optional"], unit=meta["unit"])
    if "options" in meta:
        return one_of(meta["options"], text)
    return Annotated[plain_type(hint), Field(description=text)]


def plain_type(hint: Any) -> Any:
    """A field's type with specifications replaced by models, and text and switches strict."""
    if dataclasses.is_dataclass(hint):
        return MODELS.get(hint) or spec_model(hint)
    if isinstance(hint, types.UnionType):
        members = typing.get_args(hint)
        if str in members and any(dataclasses.is_dataclass(member) for member in members):
            return group_or_word(members)
        parts = [plain_type(part) for part in members]
        return typing.Union[tuple(parts)]  # noqa: UP007 - made at run time
    if typing.get_origin(hint) is tuple:
        member: Any = plain_type(typing.get_args(hint)[0])
        return tuple[member, ...]
    strict = {str: Word, bool: Switch, int: Annotated[int, Field(strict=True)]}
    return strict.get(hint, hint)


def group_or_word(members: tuple[Any, ...]) -> Any:
    """The type of a field that holds a group of settings, or a word, or perhaps nothing.

    What was written decides which one is meant, so that an error is about that one alone.
    """
    (spec,) = (member for member in members if dataclasses.is_dataclass(member))
    model: Any = plain_type(spec)
    group: Any = Annotated[model, Tag(GROUP_TAG)]
    word: Any = Annotated[Word, Tag(WORD_TAG)]

    def which(value: Any) -> str:
        return GROUP_TAG if isinstance(value, (Mapping, BaseModel)) else WORD_TAG

    either: Any = Annotated[group | word, Discriminator(which)]
    return either | None if types.NoneType in members else either


def field_default(field: "dataclasses.Field[Any]") -> Any:
    """The default of one field, as pydantic wants it."""
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        factory: Any = field.default_factory
        return Field(default_factory=MODELS.get(factory, factory))
    return ...


for _spec in (sim.Placement, sim.Stealing, sim.Balancing, sim.Decision, sim.Adaptive):
    spec_model(_spec)
for _limit in (sim.ProcessLimit, sim.RateLimit, sim.BurstLimit, sim.Limits):
    spec_model(_limit)
spec_model(sim.Triggers)
spec_model(sim.Erts)
for _part in (
    sim.Distribution, sim.Affinity, sim.Step, sim.Arrival, sim.Memory, sim.Power, sim.ClassTime, sim.Change,
):  # fmt: skip
    spec_model(_part)
if typing.TYPE_CHECKING:
    PolicyPart: TypeAlias = SpecPart
    CostPart: TypeAlias = SpecPart
    BindingPart: TypeAlias = SpecPart
    FaultsPart: TypeAlias = SpecPart
    SimulationPart: TypeAlias = SpecPart
    ProcessClassPart: TypeAlias = SpecPart
else:
    PolicyPart = spec_model(sim.Policy)
    CostPart = spec_model(sim.Cost)
    BindingPart = spec_model(sim.Binding)
    FaultsPart = spec_model(sim.Timeline)
    SimulationPart = spec_model(sim.Simulation)
    ProcessClassPart = spec_model(sim.ProcessClass, leave_out=("name",), fixed={"name": "class"})
