"""Lines, words and patterns of Dockerfiles, with the answers of BuildKit's own parser (dockerfile 3.4.0) and of Go."""

from __future__ import annotations

import pytest

from stepladder.core.errors import BadInputError
from stepladder.images.context import go_match
from stepladder.images.parsers import words
from stepladder.images.parsers.dockerfile import instructions

VARIABLES = {"A": "1", "EMPTY": "", "PATH": "/bin", "LONG_NAME": "x y"}


def split(text: str) -> list[tuple[int, str, tuple[str, ...], str]]:
    return [(found.number, found.word, found.flags, found.rest) for found in instructions(text, "Dockerfile")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM a\n\n# c\nRUN x", [(1, "FROM", (), "a"), (4, "RUN", (), "x")]),
        ("from a", [(1, "FROM", (), "a")]),
        ("ENV A=1 \\\n\n  B=2", [(1, "ENV", (), "A=1   B=2")]),
        ("ENV A=1 \\\n# c\n  # d\n  B=2\nRUN x", [(1, "ENV", (), "A=1   B=2"), (5, "RUN", (), "x")]),
        ("RUN ec\\\nho", [(1, "RUN", (), "echo")]),
        ("RUN a \\ \t\n b", [(1, "RUN", (), "a  b")]),
        ("RUN a \\\\\nRUN b", [(1, "RUN", (), "a \\\\"), (2, "RUN", (), "b")]),
        ("# escape=`\nRUN a `\n b\\", [(2, "RUN", (), "a  b\\")]),
        ("# syntax=docker/dockerfile:1\n# escape=`\nRUN a `\n b", [(3, "RUN", (), "a  b")]),
        ("# a comment\n# escape=`\nRUN a `", [(3, "RUN", (), "a `")]),
        ("\ufeffFROM a", [(1, "FROM", (), "a")]),
        ("COPY --from=x --chmod=755 a b", [(1, "COPY", ("--from=x", "--chmod=755"), "a b")]),
        ('COPY --from="x y" a b', [(1, "COPY", ("--from=x y",), "a b")]),
        ("RUN -- --x", [(1, "RUN", (), "--x")]),
        ("RUN <<EOF\nFROM b\nEOF\nRUN x", [(1, "RUN", (), "<<EOF"), (4, "RUN", (), "x")]),
        ("COPY <<-'E' <<F /x\n\ta\n\tE\nb\nF\nRUN x", [(1, "COPY", (), "<<-'E' <<F /x"), (6, "RUN", (), "x")]),
        ("RUN cat <<<EOF\nRUN x", [(1, "RUN", (), "cat <<<EOF"), (2, "RUN", (), "x")]),
        ('RUN echo "a <<EOF"\nRUN x', [(1, "RUN", (), 'echo "a <<EOF"'), (2, "RUN", (), "x")]),
        ('COPY ["<<EOF", "x"]\nRUN x', [(1, "COPY", (), '["<<EOF", "x"]'), (2, "RUN", (), "x")]),
    ],
)
def test_lines_are_joined_and_split_as_buildkit_does(
    text: str, found: list[tuple[int, str, tuple[str, ...], str]]
) -> None:
    assert split(text) == found


@pytest.mark.parametrize(
    "text", ["# escape=`\n# escape=`\nFROM a", "# escape=x\nFROM a", "RUN <<E\n", "os import path"]
)
def test_what_buildkit_refuses_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match=r"Dockerfile:\d"):
        instructions(text, "Dockerfile")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A/${A}", "1/1"),
        ("'$A'", "$A"),
        ('"$A"', "1"),
        (r"\$A", "$A"),
        (r'"\$A \" \n"', '$A " \\n'),
        ("a\\ b", "a b"),
        ("$", "$"),
        ("$NOTHING.", "."),
        ("${NOTHING:-x}${EMPTY:-y}${A:-z}", "xy1"),
        ("${NOTHING-x}${EMPTY-y}", "x"),
        ("${NOTHING:+x}${EMPTY:+y}${A:+z}", "z"),
        ("${EMPTY+y}", "y"),
        ("${NOTHING:-${A}b}", "1b"),
        ("${NOTHING:-'a}'}", "a}"),
        ("$A_B", ""),
        ("/x:$PATH", "/x:/bin"),
    ],
)
def test_variables_and_quotes_are_replaced_as_docker_does(text: str, value: str) -> None:
    assert words.expand(text, VARIABLES) == value


@pytest.mark.parametrize("text", ["'a", '"a', "${A", "${}", "${A:x}", "${A#x}", "${NOTHING:?no}"])
def test_words_that_have_no_end_or_meaning_are_errors(text: str) -> None:
    with pytest.raises(words.WordError):
        words.expand(text, VARIABLES)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.py", ["a.py", ".py"], ["a/b.py", "a.pyc"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("requirement[s].txt", ["requirements.txt"], ["requirement.txt"]),
        ("[^a-c]x", ["dx"], ["ax", "x"]),
        (r"\*.txt", ["*.txt"], ["a.txt"]),
        (r"[\]]", ["]"], ["a"]),
        ("*/*", ["a/b"], ["a", "a/b/c"]),
        ("[b-a]", [], ["a", "b"]),
    ],
)
def test_globs_are_those_of_go(pattern: str, yes: list[str], no: list[str]) -> None:
    matches = go_match.compiled(pattern).fullmatch
    assert [name for name in (*yes, *no) if matches(name)] == yes


@pytest.mark.parametrize("pattern", ["[", "[]", "[a", "[a-", "[a-]", "[-a]", "[]a]", "a\\"])
def test_a_glob_that_go_calls_malformed_is_an_error(pattern: str) -> None:
    with pytest.raises(go_match.BadPatternError):
        go_match.compiled(pattern)
