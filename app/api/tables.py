"""Figures as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from starlette.responses import Response

from app.domain.types import JsonObject

CSV = "text/csv"


def as_csv(columns: Sequence[str], rows: Iterable[JsonObject]) -> Response:
    """An answer with a header line and a line a row; null is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return Response(text.getvalue(), media_type=CSV)
