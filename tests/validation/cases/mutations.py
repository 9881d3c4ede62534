"""The kernel broken in listed ways, one at a time: some test of the repository fails each time."""

from tests.mutation.run import judge, verdict_of
from tests.mutation.table import MUTATIONS
from tests.validation.case import Outcome, Scale
from tests.validation.judge import exact
from tests.validation.registry import case

NAME = "Mutations of the kernel"


@case(NAME, "oracle", "DeMillo, Lipton and Sayward 1978, Hints on test data selection", is_quick=False)
def mutations(scale: Scale) -> Outcome:
    """Does a test notice, whatever part of the kernel is wrong?

    Each mutation changes one text of one file in a copy of the repository; the scenarios of the oracle,
    random ones and looks at invariants are run there, without compilation, until one fails. What is known: a
    mutation that no test notices would be a part of the model that nobody watches. The same tests pass on the
    copy without a mutation.
    """
    del scale
    untouched, _ = judge(None, ["--seeds", "0", "1", "2", "3", "4", "5", "--only"])
    checks = [exact("tests that fail without a mutation", float(bool(untouched)), 0.0, note=untouched)]
    for mutation in MUTATIONS:
        verdict = verdict_of(mutation)
        name = f"{mutation.part}, {mutation.name}: {mutation.breaks}"
        note = f"{mutation.path}: " + (f"killed by {verdict.killer}" if verdict.killer else "survived")
        checks.append(exact(name, float(bool(verdict.killer)), 1.0, note=note))
    killed = sum(check.is_ok for check in checks[1:])
    return Outcome(checks, notes=[f"{killed} of {len(MUTATIONS)} mutations are noticed by a test."])
