"""What a session on a study gives back: what it did, or that it was interrupted."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import UserError


class InterruptedStudyError(UserError):
    """Ctrl-C or SIGTERM: what was computed is stored.

    Attributes
    ----------
    folder  : run folder; None if there is none yet
    lanes   : lanes of the run, at most
    at_once : whether the chunks that ran were dropped
    """

    exit_code = 130
    folder: Path | None = None
    lanes = 0
    at_once = True


@dataclass
class StudyRun:
    """What `run_study` did; usable as the path of the run folder.

    folder         : run folder
    key            : run key
    lanes          : lanes of the run, which an adaptive design asked for
    computed_lanes : results of this session
    found_lanes    : results that were stored already
    failed_lanes   : lanes without a result, each with point, axes, seed and error
    events         : events handled in this session
    seconds        : time of this session
    facts          : what an adaptive design found, as the manifest has it
    """

    folder: Path
    key: str
    lanes: int
    computed_lanes: int = 0
    found_lanes: int = 0
    failed_lanes: list[dict[str, Any]] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, or 1 if a lane has no result."""
        return 1 if self.failed_lanes else 0

    def __fspath__(self) -> str:
        return str(self.folder)
