"""YAML with the line of every key and value, read so that nothing is accepted silently."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from annotation.parsing import LONGEST_YAML, TooMuch, check_bytes, children_of, is_rewritten, yaml_content
from annotation.studyfile.problems import Problem, StudyFileError


class YamlTree:
    """The parsed document: `data` as plain Python, and where in the file each part of it stands."""

    def __init__(self, root: Node, data: Any, file: str) -> None:
        self.root = root
        self.data = data
        self.file = file

    @classmethod
    def of_data(cls, data: dict[str, Any]) -> "YamlTree":
        """Return the tree of what was written into no file, so that it has no lines."""
        return cls(ScalarNode("tag:yaml.org,2002:null", "", yaml.Mark("", 0, 0, 0, "", 0)), data, "")

    def problem(self, location: Sequence[str | int], message: str) -> Problem:
        """Return a problem at `location`, a path of keys and indexes such as ("aspects", 0, "scale")."""
        return Problem(self.file, self.line(location), format_path(location), message)

    def line(self, location: Sequence[str | int]) -> int:
        """Return the 1-based line of `location`, or of its nearest ancestor that stands in the file."""
        node, line = self.root, self.root.start_mark.line + 1
        for step in location:
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line

    def repeated_keys(self) -> Iterator[Problem]:
        """Yield a problem for every key that a mapping holds twice: YAML would silently keep the last."""
        yield from self._repeated_keys(self.root, [], set())

    def rewritten_numbers(self) -> Iterator[Problem]:
        """Yield a problem for every number that YAML reads as another one, as it does 010 and 1:30."""
        seen: set[int] = set()
        left = [self.root]
        while left:
            node = left.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            left += children_of(node)
            if is_rewritten(node):
                message = f"YAML reads {node.value} as another number; write it in plain digits, or put it in quotes"
                yield Problem(self.file, node.start_mark.line + 1, "", message)

    def _repeated_keys(self, node: Node, path: list[str | int], seen: set[int]) -> Iterator[Problem]:
        if id(node) in seen:  # an alias; YAML allows loops
            return
        seen.add(id(node))
        if isinstance(node, SequenceNode):
            for index, value in enumerate(node.value):
                yield from self._repeated_keys(value, [*path, index], seen)
        elif isinstance(node, MappingNode):
            first_lines: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                where: list[str | int] = [*path, str(key.value)]
                if str(key.value) in first_lines:
                    message = f"this key stands on line {first_lines[str(key.value)]} already; keep one of the two"
                    yield Problem(self.file, line, format_path(where), message)
                first_lines.setdefault(str(key.value), line)
                yield from self._repeated_keys(value, where, seen)


def _child(node: Node, step: str | int) -> tuple[Node, int] | None:
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        child = node.value[step]
        return child, child.start_mark.line + 1
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == str(step):
                return value, key.start_mark.line + 1
    return None


def format_path(location: Sequence[str | int]) -> str:
    """Return ("aspects", 0, "scale") as `aspects[0].scale`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def read_text(path: Path, file: str) -> str:
    """Return a UTF-8 file's text. Raises StudyFileError if it is missing, unreadable or in another encoding."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise StudyFileError([Problem(file, None, "", "there is no such file; check the path")]) from None
    except OSError as error:
        raise StudyFileError([Problem(file, None, "", f"cannot be read: {error.strerror}")]) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8 here; save the file in the encoding UTF-8"
        raise StudyFileError([Problem(file, line, "", message)]) from error


def load_yaml(path: Path, file: str) -> YamlTree:
    """Read a YAML file; `file` is its name in messages. Raises StudyFileError for what cannot be parsed."""
    text = read_text(path, file)
    try:
        check_bytes(len(text), LONGEST_YAML, "put the items into a file of their own")
        root, data = yaml_content(yaml.SafeLoader(text))
    except TooMuch as error:
        raise StudyFileError([Problem(file, None, "", str(error))]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"holds the control character U+{ord(text[error.position]):04X}; remove it"
        raise StudyFileError([Problem(file, line, "", message)]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line_or_none = mark.line + 1 if mark else None
        message = f"is not valid YAML: {', '.join(filter(None, [error.context, error.problem]))}"
        raise StudyFileError([Problem(file, line_or_none, "", message)]) from error
    except ValueError as error:  # PyYAML builds dates eagerly: 2026-13-40 fails inside datetime
        raise StudyFileError([Problem(file, None, "", f"is not valid YAML: {error}; put it in quotes")]) from error
    if not isinstance(root, MappingNode) or not isinstance(data, dict):
        raise StudyFileError([Problem(file, 1, "", "must hold keys such as `slug: my-study`; see docs/study-file.md")])
    return YamlTree(root, data, file)
