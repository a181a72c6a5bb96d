"""The harness' files: what is read, what is named, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.quality.errors import RefusedError
from benchmarks.quality.reading import Rows, item_attributes, prefix_rows, session_rows, user_rows


def written(folder: Path, body: str | bytes) -> Path:
    path = folder / "file.txt"
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return path


def named(rows: Rows) -> list[list[str]]:
    return [
        [rows.items[item] for item in rows.item[rows.offsets[row] : rows.offsets[row + 1]]]
        for row in range(len(rows))
    ]


def test_users_and_items_may_be_any_words(tmp_path: Path) -> None:
    rows = user_rows(written(tmp_path, "ann 7 é\u00a0b 7\n2 x\r\n"))
    assert rows.users == ["ann", "2"]
    assert named(rows) == [["7", "é\u00a0b", "7"], ["x"]]


def test_a_byte_order_mark_and_spare_spaces_are_no_part_of_a_name(tmp_path: Path) -> None:
    assert user_rows(written(tmp_path, b"\xef\xbb\xbf u  a b \n")).users == ["u"]


def test_bad_lines_are_named_by_number_and_the_others_kept(tmp_path: Path) -> None:
    rows = user_rows(written(tmp_path, b"u a b\n\nlonely\n\xff\xfe z\nv a\tb\nw c\n"))
    assert named(rows) == [["a", "b"], ["c"]]
    assert rows.notes.named == [
        "line 3: a user and no item",
        "line 4: not UTF-8",
        "line 5: a tab, where spaces separate",
    ]
    assert (rows.notes.bad, rows.notes.empty, rows.notes.lines) == (3, 1, 6)


def test_many_bad_lines_are_counted_and_the_first_named(tmp_path: Path) -> None:
    [said] = user_rows(written(tmp_path, "u a\n" + "lonely\n" * 24)).notes.sentences()
    assert said.startswith("file.txt: 24 bad lines were left out (line 2: ")
    assert said.endswith("line 21: a user and no item; and 4 more).")


def test_lines_of_one_user_are_joined_in_the_files_order(tmp_path: Path) -> None:
    rows = user_rows(written(tmp_path, "u a b\nv c\nu d a\n"))
    assert rows.users == ["u", "v"]
    assert named(rows) == [["a", "b", "d", "a"], ["c"]]
    assert rows.notes.joined == 1


def test_a_session_may_have_one_item_and_repeats(tmp_path: Path) -> None:
    assert named(session_rows(written(tmp_path, "a a b\nc\n"))) == [["a", "a", "b"], ["c"]]


def test_prefix_lines_want_one_tab_and_one_target(tmp_path: Path) -> None:
    rows = prefix_rows(written(tmp_path, "a b\tc\na b c\n\tc\na\tb c\na\tb\tc\nd\td\n"))
    assert named(rows) == [["a", "b", "c"], ["d", "d"]]
    assert [said.split(":")[0] for said in rows.notes.named] == ["line 2", "line 3", "line 4", "line 5"]


def test_attributes_are_found_by_the_headers_names(tmp_path: Path) -> None:
    found, notes = item_attributes(
        written(tmp_path, "asin\titem\tattributes\nB1\tx\tOPI| Nails |OPI\nB2\ty\t\nB3\tx\tz\nB4\n")
    )
    assert found == {"x": ["OPI", "Nails"], "y": []}
    assert notes.named == ["line 4: item x once more", "line 5: 1 columns, where the header has 3"]


@pytest.mark.parametrize("header", ["item\tbrand", "item attributes", "attributes"])
def test_a_header_without_both_columns_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(RefusedError, match="header must name the columns item and attributes"):
        item_attributes(written(tmp_path, f"{header}\nx\ty\n"))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is empty"),
        (b"\n \n", "no line of its 2 is of the form"),
        ("\n".join(["u a b"] * 3).encode("utf-16"), "not UTF-8"),
        (b"alone\n", "a user and no item"),
    ],
)
def test_a_file_with_nothing_to_read_is_refused(tmp_path: Path, body: bytes, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        user_rows(written(tmp_path, body))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="does not exist"):
        user_rows(tmp_path / "nowhere.txt")
    with pytest.raises(RefusedError, match="is a folder"):
        session_rows(tmp_path)
