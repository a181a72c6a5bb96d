"""What an import did with each row, counted as it goes; memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.domain.types import JsonObject

FIRST_LINES = 5


@dataclass(slots=True)
class Rejection:
    """Rows left out for one reason.

    Attributes:
        lines: The first few of their line numbers.
    """

    count: int = 0
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """The running report of an import.

    Attributes:
        rows_read: Rows of the file.
        accepted: Events, items or users stored (a row is one, but for baskets of several rows).
        duplicates: Those that stood there already, or twice in the file.
        rejected: Rows left out, by reason.
        on_rejected: Told of each row left out: line, reason, the row.
    """

    rows_read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: dict[str, Rejection] = field(default_factory=dict)
    on_rejected: Callable[[int, str, Mapping[str, object] | None], None] | None = None

    @property
    def rejected_rows(self) -> int:
        """Rows left out for any reason."""
        return sum(rejection.count for rejection in self.rejected.values())

    def reject(self, line: int, reason: str, row: Mapping[str, object] | None = None) -> None:
        """Count a row that is left out."""
        rejection = self.rejected.setdefault(reason, Rejection())
        rejection.count += 1
        if len(rejection.lines) < FIRST_LINES:
            rejection.lines.append(line)
        if self.on_rejected is not None:
            self.on_rejected(line, reason, row)

    def reject_many(self, reason: str, count: int) -> None:
        """Count rows that were left out together."""
        self.rejected.setdefault(reason, Rejection()).count += count

    def report(self) -> JsonObject:
        """The report as JSON."""
        by_count = sorted(self.rejected.items(), key=lambda pair: (-pair[1].count, pair[0]))
        return {
            "rows_read": self.rows_read,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected_rows": self.rejected_rows,
            "rejected": [
                {"reason": reason, "rows": rejection.count, "first_lines": list(rejection.lines)}
                for reason, rejection in by_count
            ],
        }
