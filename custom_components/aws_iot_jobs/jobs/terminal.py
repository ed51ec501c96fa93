"""What a terminal would show of an output.

Sequences are those of ECMA-48, with what xterm, the Linux console and screen have of their
own. What moves the cursor is followed as far as it rewrites lines that are there: progress
bars show their last state. What would erase whole screens erases nothing here.

Sequences that are cut or never closed take no text with them: of those, only what
introduces them goes. All of this takes time in proportion to the text.
"""

from collections.abc import Callable, Mapping
import re
from typing import Final
import unicodedata

_TAB_STOP = 8
_FARTHEST_COLUMN = 200
"""How far a sequence can move the cursor beyond the end of a line."""

_SIMPLE = (
    r"[ -~\xa1-\xac\xae-\u02ff\u0370-\u0482\u048a-\u058f\u2010-\u2027"
    r"\u2500-\u25fc\u2800-\u28ff]"
)
"""Letters, lines and blocks that fill one cell each: most of what is printed."""

_TOKEN = re.compile(
    rf"""
      (?P<simple>  {_SIMPLE}++ )
    | (?P<text>    [\xa0-\U0010ffff]++ )
    # The Linux console's palette has no end of its own.
    | (?P<string>  (?: \x1b\] | \x9d ) (?: P[0-9A-Fa-f]{{7}} | R )
    # A title, a link: within one line, ended by BEL or ST, canceled by CAN or SUB.
                 | (?: \x1b[\]k] | \x9d ) [^\n\r\x07\x18\x1a\x1b\x80-\x9f]*+
                   (?: [\x07\x9c\x18\x1a] | \x1b\\ )
    # Strings of a device or an application, which may have lines.
                 | (?: \x1b[PX^_] | [\x90\x98\x9e\x9f] ) [^\x18\x1a\x1b\x80-\x9f]*+
                   (?: [\x9c\x18\x1a] | \x1b\\ )
    # Strings that are not closed: what they begin with.
                 | (?: \x1b\] | \x9d ) (?: [0-9]{{1,4}};;? )?
                 | \x1bP (?: tmux; )? )
    # The Linux console's function keys.
    | (?P<key>     \x1b\[\[[A-E] )
    | (?P<csi>     (?: \x1b\[ | \x9b ) (?P<parameters> [0-?]*+ ) (?P<between> [ -/]*+ )
                   (?P<final> [@-~] ) )
    | (?P<broken>  (?: \x1b\[ | \x9b ) [0-?]*+ (?: [ -/]*+ \Z )? | \x1b [ -/]*+ \Z )
    | (?P<charset> \x1b [ -/]++ [0-~] )
    | (?P<escape>  \x1b (?: [0-~] | [#$%()*+./-]? ) )
    | (?P<control> [\x00-\x1f\x7f-\x9f] )
    """,
    re.VERBOSE,
)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_REST_OF_SEQUENCE = re.compile(
    r"""
      [^\n\r\x07\x18\x1a\x1b\x80-\x9f]*+ (?: \x1b\\ | \x9c )
    | \[ [0-9:;<=>?]++ [A-Za-z]
    | \[ [mKJH]
    | \? [0-9;]++ [hl]
    | [0-9:]*+ ; [0-9:;]*+ m
    | [0-9:]*+ m (?= [\x1b\x9b] | \Z )
    """,
    re.VERBOSE,
)


def shown_text(text: str, *, cut: bool = False) -> str:
    """Return what a terminal would show of a text: without controls but newline and tab.

    Where the beginning is `cut` off, the rest of a sequence that was cut in two goes, too.
    """
    if not _CONTROL.search(text):
        return text
    if cut and (rest := _REST_OF_SEQUENCE.match(text)):
        text = text[rest.end() :]
    screen = _Screen()
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "simple":
                screen.write_simple(token[0])
            case "text":
                screen.write(token[0])
            case "csi":
                screen.control(token["final"], token["parameters"], token["between"])
            case "escape" | "control":
                screen.do(token[0])
    return screen.text()


class _Line:
    """A line of cells.

    Each has a character with what combines with it, or nothing where a wide character
    before it fills it.
    """

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._simple = True
        self._rewritten = False

    def __len__(self) -> int:
        return len(self._cells)

    def text(self) -> str:
        """Return the line. Blanks that have wiped something out are nothing to be seen."""
        text = "".join(self._cells)
        return text.rstrip(" ") if self._rewritten else text

    def write_simple(self, column: int, text: str) -> int:
        """Write characters that fill a cell each; return the column behind them."""
        end = column + len(text)
        self._make_room(column, end)
        self._cells[column:end] = text
        return end

    def write(self, column: int, character: str) -> int:
        """Write any character but a tab; return the column behind it."""
        width = _width(character)
        if width == 0 and 0 < column <= len(self._cells):
            self._combine(column - 1, character)
            return column
        end = column + max(width, 1)
        self._make_room(column, end)
        self._cells[column:end] = [character] + [""] * (end - column - 1)
        self._simple = self._simple and width < 2
        return end

    def tab(self, column: int) -> int:
        """Go to the next tab stop; return its column. Only behind the end it is written."""
        end = (column // _TAB_STOP + 1) * _TAB_STOP
        if column >= len(self._cells):
            self._make_room(column, end)
            self._cells[column:] = ["\t"] + [""] * (end - column - 1)
            self._simple = False
        return end

    def erase(self, start: int, end: int) -> None:
        """Blank what is between two columns."""
        end = min(end, len(self._cells))
        if start < end:
            self.write_simple(start, " " * (end - start))

    def cut(self, column: int) -> None:
        """Erase all from a column on."""
        if column < len(self._cells):
            self._split(column)
            del self._cells[column:]

    def _make_room(self, start: int, end: int) -> None:
        """Leave no gap before what is to be written, and nothing that is half overwritten."""
        length = len(self._cells)
        if start > length:
            self._cells.extend(" " * (start - length))
        elif start < length:
            self._rewritten = True
            self._split(start)
            self._split(end)

    def _split(self, column: int) -> None:
        """Blank a wide character that would be cut in two."""
        if self._simple or column >= len(self._cells) or self._cells[column] != "":
            return
        start, end = column, column
        while self._cells[start] == "":
            start -= 1
        while end < len(self._cells) and self._cells[end] == "":
            end += 1
        self._cells[start:end] = " " * (end - start)

    def _combine(self, column: int, character: str) -> None:
        while self._cells[column] == "":
            column -= 1
        self._cells[column] += character


class _Screen:
    """All lines, without an end, and a cursor."""

    def __init__(self) -> None:
        self._lines = [_Line()]
        self._row = 0
        self._column = 0
        self._saved: tuple[int, int] | None = None
        self._status_row: int | None = None
        self._status: list[_Line] = []

    def text(self) -> str:
        """Return what is to be seen."""
        status = [text for line in self._status if (text := line.text())]
        lines = [line.text() for line in self._lines]
        if status and lines[-1] == "":
            lines.pop()
        return "\n".join(lines + status)

    def write_simple(self, text: str) -> None:
        """Write characters that fill a cell each."""
        self._column = self._line.write_simple(self._column, text)

    def write(self, text: str) -> None:
        """Write any printable characters."""
        line, column = self._line, self._column
        for character in text:
            if not "\ud800" <= character <= "\udfff":
                column = line.write(column, character)
        self._column = column

    def do(self, control: str) -> None:
        """Do what a control character or an escape sequence of two characters says."""
        if deed := _DEEDS.get(control):
            deed(self)

    def control(self, final: str, parameters: str, between: str) -> None:
        """Do what a control sequence says."""
        if between or parameters[:1] in set("<=>?"):
            return
        if deed := _CONTROL_DEEDS.get(final):
            first = parameters.split(";", 1)[0]
            # No screen has more cells, and no number is too long to be read.
            deed(self, int(first[:4]) if first[:4].isdecimal() else 0)

    def next_line(self) -> None:
        """Go to the beginning of the next line."""
        self._row += 1
        self._column = 0
        if self._row == len(self._lines):
            self._lines.append(_Line())

    def move(self, rows: int = 0, columns: int = 0) -> None:
        """Move the cursor; down to one new line at most."""
        self._row = max(self._row + rows, 0)
        if self._row >= len(self._lines):
            self._row = len(self._lines)
            self._lines.append(_Line())
        self.go_to(self._column + columns)

    def move_lines(self, rows: int) -> None:
        """Go to the beginning of another line."""
        self.move(rows=rows)
        self._column = 0

    def go_to(self, column: int) -> None:
        """Go to a column of this line, from 0."""
        farthest = max(len(self._line), _FARTHEST_COLUMN)
        self._column = min(max(column, 0), farthest)

    def tab(self) -> None:
        """Go to the next tab stop."""
        self._column = self._line.tab(self._column)

    def erase_in_line(self, what: int) -> None:
        """Erase the line behind the cursor (0), up to it (1), or all (2)."""
        if what == 0:
            self._line.cut(self._column)
        elif what == 1:
            start = max(self._column - _FARTHEST_COLUMN, 0)
            self._line.erase(start, self._column + 1)
        elif what == 2:
            self._line.cut(0)
            self.go_to(self._column)

    def erase_in_display(self, what: int) -> None:
        """Erase what is below. What is above stays to be read, and nothing runs into it."""
        if what == 0:
            self._line.cut(self._column)
            del self._lines[self._row + 1 :]
        elif what in (2, 3):
            self.leave()

    def leave(self) -> None:
        """Go where nothing is: no one knows what place on a screen was meant.

        Where the cursor can be restored, that is a line for a status at a screen's edge.
        """
        self._row = len(self._lines) - 1
        self._column = 0
        if self._saved is not None and self._status_row is None:
            self._status_row = len(self._lines)
            self.next_line()
        elif len(self._line):
            self.next_line()

    def save(self) -> None:
        """Keep in mind where the cursor is."""
        self._saved = self._row, self._column
        self._status_row = None

    def restore(self) -> None:
        """Go back to where the cursor was. Of a status, the last one is to be seen."""
        if self._saved is None:
            return
        if self._status_row is not None:
            self._status = self._lines[self._status_row :]
            del self._lines[self._status_row :]
            self._status_row = None
        row, column = self._saved
        self._row = min(row, len(self._lines) - 1)
        self.go_to(column)

    @property
    def _line(self) -> _Line:
        return self._lines[self._row]


def _width(character: str) -> int:
    """Return how many cells a character fills."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


_DEEDS: Final[Mapping[str, Callable[[_Screen], None]]] = {
    **dict.fromkeys(
        ("\n", "\v", "\f", "\x84", "\x85", "\x1bD", "\x1bE"), _Screen.next_line
    ),
    **dict.fromkeys(("\x8d", "\x1bM"), lambda screen: screen.move(rows=-1)),
    "\t": _Screen.tab,
    "\r": lambda screen: screen.go_to(0),
    "\b": lambda screen: screen.move(columns=-1),
    "\x1b7": _Screen.save,
    "\x1b8": _Screen.restore,
    "\x1bc": _Screen.leave,
}
"""What control characters and escape sequences do; all others are without effect here."""

_CONTROL_DEEDS: Final[Mapping[str, Callable[[_Screen, int], None]]] = {
    "A": lambda screen, count: screen.move(rows=-max(count, 1)),
    "B": lambda screen, count: screen.move(rows=max(count, 1)),
    "C": lambda screen, count: screen.move(columns=max(count, 1)),
    "D": lambda screen, count: screen.move(columns=-max(count, 1)),
    "E": lambda screen, count: screen.move_lines(max(count, 1)),
    "F": lambda screen, count: screen.move_lines(-max(count, 1)),
    "G": lambda screen, column: screen.go_to(column - 1),
    "`": lambda screen, column: screen.go_to(column - 1),
    "a": lambda screen, count: screen.move(columns=max(count, 1)),
    "e": lambda screen, count: screen.move(rows=max(count, 1)),
    "H": lambda screen, _: screen.leave(),
    "f": lambda screen, _: screen.leave(),
    "d": lambda screen, _: screen.leave(),
    "J": _Screen.erase_in_display,
    "K": _Screen.erase_in_line,
    "s": lambda screen, _: screen.save(),
    "u": lambda screen, _: screen.restore(),
}
"""What control sequences do, with their first number, which is 0 where there is none."""
