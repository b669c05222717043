"""On which line of a TOML file a value stands; tomllib reads values and forgets their lines."""

import re
from collections import Counter

Path = tuple[str | int, ...]
"""The way to a value from the top: ("routes", 1, "provider")."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_LITERAL_STRING = re.compile(r"'''.*?'{3,5}|'[^'\n]*'", re.DOTALL)
_OTHER_SCALAR = re.compile(r"[^,\]}#\n]+")  # a date may hold a space, so a scalar lasts until something ends it
_ESCAPE = re.compile(r'\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[btnfr"\\])')
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def locate(text: str) -> dict[Path, int]:
    """The line, from 1, of every table, key and array element of a TOML document.

    The document must be one that tomllib reads: what is no TOML is not noticed here.
    """
    return _Scan(text).document()


def nearest_line(lines: dict[Path, int], path: Path) -> int:
    """The line of a value; where it is missing, of the closest table around it (the file's first, if none)."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_at = (0, 1)
        self._lines: dict[Path, int] = {}
        self._elements: Counter[Path] = Counter()

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while not self._ended():
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> Path:
        line = self._line()
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        keys = self._keys("]")
        self._at += brackets - 1
        table = self._enter((), keys[:-1], line)
        last = (*table, keys[-1])
        if brackets == 2:
            self._lines.setdefault(last, line)
            last = (*last, self._elements[last])
            self._elements[last[:-1]] += 1
        elif self._elements[last]:
            last = (*last, self._elements[last] - 1)
        self._lines.setdefault(last, line)
        return last

    def _pair(self, table: Path) -> None:
        line = self._line()
        keys = self._keys("=")
        path = (*self._enter(table, keys[:-1], line), keys[-1])
        self._lines[path] = line
        self._value(path)

    def _enter(self, table: Path, keys: list[str], line: int) -> Path:
        """The table that dotted keys lead to: in an array of tables it is the last one so far."""
        for key in keys:
            table = (*table, key)
            self._lines.setdefault(table, line)
            if self._elements[table]:
                table = (*table, self._elements[table] - 1)
        return table

    def _keys(self, end: str) -> list[str]:
        keys = [self._key()]
        while not self._took(end):
            self._took(".")
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        self._skip_blank()
        quote = self._text[self._at]
        if quote == '"':
            return _ESCAPE.sub(_unescaped, self._take(_BASIC_STRING)[1:-1])
        if quote == "'":
            return self._take(_LITERAL_STRING)[1:-1]
        return self._take(_BARE_KEY)

    def _value(self, path: Path) -> None:
        self._skip_blank()
        match self._text[self._at]:
            case '"':
                self._take(_BASIC_STRING)
            case "'":
                self._take(_LITERAL_STRING)
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case _:
                self._take(_OTHER_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while not self._took("]"):
            self._lines[(*path, index)] = self._line()
            self._value((*path, index))
            self._took(",")
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._took("}"):
            self._pair(path)
            self._took(",")

    def _ended(self) -> bool:
        self._skip_blank()
        return self._at >= len(self._text)

    def _took(self, mark: str) -> bool:
        self._skip_blank()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        self._skip_blank()
        return True

    def _skip_blank(self) -> None:
        self._take(_BLANK)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"line {self._line()} is not TOML")
        self._at = found.end()
        return found.group()

    def _line(self) -> int:
        at, line = self._line_at
        self._line_at = (self._at, line + self._text.count("\n", at, self._at))
        return self._line_at[1]


def _unescaped(escape: re.Match[str]) -> str:
    code = escape.group(1)
    return chr(int(code[1:], 16)) if code[0] in "uU" else _ESCAPED[code]
