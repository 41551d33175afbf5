"""Tables of text (CSV) as spreadsheets and programs write them: commas, semicolons, tabs; UTF-8, UTF-16, Windows'."""

import codecs
import csv
import io
from pathlib import Path

from medseg_demo.errors import DamagedFileError
from medseg_demo.names import from_cell

DELIMITERS = ",;\t|"
MOST_BYTES = 512 * 2**20
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_table(path: Path, faults: list[str] | None = None, *, ragged: bool = False) -> list[tuple[int, list[str]]]:
    """The rows of a CSV with the number of the line that each ends in; cells stripped, blank rows left out.

    An apostrophe that keeps a text from being a formula is none of it.

    The delimiter is the one that the first row has most of. Columns without a heading, such as an index that pandas
    wrote, and those behind the last heading are left out where the file has them in every row.

    Args:
        path: The file. The first row is its heading.
        faults: Gets a sentence for each row of more or fewer cells than the heading; None refuses such a table.
        ragged: Whether rows come as they are, of any number of cells.

    Raises:
        DamagedFileError: It cannot be opened or is no text, a quote is not closed, or a row has more or fewer cells
            than the heading.
    """
    text = _text(path)
    lines = text.split("\n", 1)
    first = lines[0].strip("\r ")
    if first.lower().startswith("sep=") and len(first) == len("sep=;"):  # Excel's own line
        delimiter, text, skipped = first[-1], "".join(lines[1:]), 1
    else:
        delimiter, skipped = _delimiter(first), 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        rows = [(reader.line_num + skipped, [from_cell(cell.strip()) for cell in row]) for row in reader]
    except csv.Error as error:
        raise DamagedFileError(
            f"{path.name}: line {reader.line_num + skipped} is no row of a table ({error})."
        ) from None
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows or ragged:
        return rows
    heading = rows[0][1]
    odd = [
        f"{path.name}: line {line} has {len(row)} cells, but the heading has {len(heading)}. Correct it."
        for line, row in rows
        if len(row) != len(heading)
    ]
    if odd and faults is None:
        raise DamagedFileError(odd[0])
    if faults is not None:
        faults += odd
    rows = [(line, row) for line, row in rows if len(row) == len(heading)]
    named = [place for place, name in enumerate(heading) if name]
    return [(line, [row[place] for place in named]) for line, row in rows]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DamagedFileError(f"{path.name}: is larger than {MOST_BYTES // 2**20} MB. Split it.")
        content = path.read_bytes()
        known = next((encoding for bom, encoding in BOMS if content.startswith(bom)), None)
        if known is None and b"\0" in content[:4096]:  # of UTF-16 without its mark every other byte is mostly 0
            known = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
        for encoding in (known,) if known else ("utf-8", "cp1252"):
            try:
                text = content.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
        else:
            raise DamagedFileError(f"{path.name}: is no text file.")
    except OSError as error:
        raise DamagedFileError(f"{path.name}: cannot be opened ({error.strerror}).") from None
    if "\0" in text:
        raise DamagedFileError(f"{path.name}: is no text file.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(heading: str) -> str:
    """The delimiter that the heading has most of outside of quotes."""
    bare = "".join(heading.split('"')[::2])
    return max(DELIMITERS, key=bare.count)
