"""Texts that are left out whatever words they contain."""

from __future__ import annotations

from collections.abc import Callable

import regex
from attrs import field, frozen

from gradiend_core.errors import DataError
from gradiend_core.records.run import DataSettings
from gradiend_core.records.setting import function_named

WORD = regex.compile(r"\w+")


@frozen
class Unwanted:
    """Says why the settings leave a text out; empty if they keep it. Raises ConfigError for a filter that
    cannot be imported, DataError where the filter itself fails."""

    settings: DataSettings
    _filter: Callable[[str], object] | None = field(init=False)

    @_filter.default
    def _import(self) -> Callable[[str], object] | None:
        return function_named(self.settings.filter, "data.filter") if self.settings.filter else None

    def __call__(self, text: str) -> str:
        settings, characters = self.settings, len(text)
        if characters < settings.min_characters:
            return f"fewer than {settings.min_characters:,} characters"
        if settings.max_characters and characters > settings.max_characters:
            return f"more than {settings.max_characters:,} characters"
        if settings.max_words and len(WORD.findall(text)) > settings.max_words:
            return f"more than {settings.max_words:,} words"
        if settings.excluded_characters and not set(text).isdisjoint(settings.excluded_characters):
            return f"one of the characters {settings.excluded_characters}"
        if self._filter is not None and not self._kept(text):
            return f"{settings.filter} leaves it out"
        return ""

    def _kept(self, text: str) -> bool:
        assert self._filter is not None
        try:
            return bool(self._filter(text))
        except Exception as error:
            raise DataError(
                f"data.filter = {self.settings.filter!r} fails with {type(error).__name__} ({error}) for the"
                f" text {text[:80]!r}; it must take one text and return true or false"
            ) from error
