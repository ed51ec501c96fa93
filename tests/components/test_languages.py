"""What is said in one language is said in each of them."""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from string import Formatter
from typing import Any

import pytest

from custom_components import aws_iot_jobs

TRANSLATIONS = Path(aws_iot_jobs.__file__).parent / "translations"
LANGUAGES = ("de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt-BR", "zh-Hans")
ENGLISH = "en"


def _texts(words: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with the path of its key."""
    for key, found in words.items():
        here = f"{path}.{key}" if path else key
        if isinstance(found, Mapping):
            yield from _texts(found, here)
        else:
            yield here, found


def _read(language: str) -> dict[str, str]:
    content = (TRANSLATIONS / f"{language}.json").read_text()
    return dict(_texts(json.loads(content)))


def _placeholders(text: str) -> set[str]:
    """Return the names of what is put into a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _code(text: str) -> set[str]:
    """Return what stands in a text as code, which is the same in all languages."""
    return set(re.findall(r"`([^`]+)`", text))


@pytest.fixture(params=sorted({*LANGUAGES} - {ENGLISH}))
def language(request: pytest.FixtureRequest) -> str:
    """Return a language that is not English."""
    code: str = request.param
    return code


def test_these_are_the_languages() -> None:
    """No file is missing, and none is there that no test looks at."""
    assert sorted(path.stem for path in TRANSLATIONS.iterdir()) == sorted(LANGUAGES)


def test_keys_are_those_of_english(language: str) -> None:
    """In the same order, so that files can be read side by side."""
    translated, english = _read(language), _read(ENGLISH)
    assert sorted(english.keys() - translated.keys()) == []
    assert sorted(translated.keys() - english.keys()) == []
    assert list(translated) == list(english)


def test_placeholders_are_those_of_english(language: str) -> None:
    """Home Assistant takes the English text where they are not."""
    translated = _read(language)
    wrong = {
        key: (text, translated[key])
        for key, text in _read(ENGLISH).items()
        if _placeholders(text) != _placeholders(translated[key])
    }
    assert wrong == {}


def test_code_is_that_of_english(language: str) -> None:
    """Status values, fields of documents and commands are no words of a language."""
    translated = _read(language)
    wrong = {
        key: (text, translated[key])
        for key, text in _read(ENGLISH).items()
        if _code(text) != _code(translated[key])
    }
    assert wrong == {}


def test_no_text_is_empty(language: str) -> None:
    """Home Assistant would show nothing."""
    assert [key for key, text in _read(language).items() if not text.strip()] == []
