"""Patterns match as in a shell, and only folders that can contain a match are entered."""

from __future__ import annotations

import pytest

from nodelogd.compressor.scan.glob_patterns import FolderPatterns, parse_pattern


def matches(path: str, *patterns: str, hidden: bool = False) -> bool:
    *folders, name = path.split("/")
    remaining = FolderPatterns(map(parse_pattern, patterns), hidden=hidden)
    for folder in folders:
        remaining = remaining.descend(folder)
    return bool(remaining.matches(name))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.log", "a.log"),
        ("*.log", "new\nline.log"),
        ("*.log", "-rf.log"),
        ("*.log", "\udcff.log"),  # a decoded byte that is not UTF-8
        ("?.log", "ä.log"),
        ("[a-c]*", "b"),
        ("[!a]*", "b"),
        ("pods/*/x.log", "pods/p/x.log"),
        ("**/*.log", "a.log"),
        ("**/*.log", "one/two/a.log"),
        ("pods/**/*.log", "pods/a.log"),
        ("pods/**/*.log", "pods/one/two/a.log"),
        ("pods/**", "pods/one/two/a"),
        ("**/x/**/y", "x/y"),
        ("**/x/**/y", "a/x/x/b/y"),
        ("**/**/a", "a"),
        (".*", ".hidden"),
        ("**/.git/*", "a/.git/config"),
    ],
)
def test_a_pattern_matches(pattern: str, path: str) -> None:
    assert matches(path, pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.log", "a.log.gz"),
        ("*.log", "a.log\n"),
        ("*.log", "A.LOG"),
        ("*.log", "folder/a.log"),
        ("*.log", ".a.log"),
        ("*", ".hidden"),
        ("?a", ".a"),
        ("[.]a", ".a"),
        ("pods/**", "pods"),
        ("**/*.log", ".cache/a.log"),
        ("**", ".cache/a.log"),
        ("pods/*.log", "pods/one/a.log"),
        ("pods/**/x/*.log", "pods/y/a.log"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, path: str) -> None:
    assert not matches(path, pattern)


def test_a_name_matches_if_any_pattern_does() -> None:
    assert matches("b", "a", "b")
    assert not matches("c", "a", "b")
    assert not matches("c")


@pytest.mark.parametrize(("pattern", "path"), [("*", ".a"), ("**/a", ".b/a"), ("**", ".b/.c")])
def test_excluding_patterns_match_hidden_names(pattern: str, path: str) -> None:
    assert matches(path, pattern, hidden=True)


@pytest.mark.parametrize(
    ("pattern", "folder", "enter"),
    [
        ("*.log", "pods", False),
        ("pods/*.log", "pods", True),
        ("pods/*.log", "other", False),
        ("**/*.log", "any", True),
        ("**/*.log", ".hidden", False),
    ],
)
def test_only_folders_that_can_contain_a_match_are_entered(pattern: str, folder: str, *, enter: bool) -> None:
    assert bool(FolderPatterns([parse_pattern(pattern)]).descend(folder)) is enter


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/var/log/*.log", "not relative to --dir"),
        ("", "a part of it is empty"),
        ("a//b", "a part of it is empty"),
        ("../*", "a part of it is empty, . or .."),
        ("./a", "a part of it is empty, . or .."),
    ],
)
def test_an_invalid_pattern_is_rejected(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_pattern(pattern)
