"""Which packages give which part of the corpora, and how much of it?"""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    package: str
    # Which files of the package, by their paths.
    pattern: str
    bytes: int
    # Markup is taken away; otherwise files stand as they are.
    prose: bool


class Language(NamedTuple):
    # What share of a line's letters is written in the language's own letters, those beyond ASCII.
    script: float
    bytes: int


ENGLISH = [
    Source("debian-handbook", r"/html/en-US/.*\.html$", 3_000_000, True),
    Source("gnome-user-docs", r"/help/C/.*\.page$", 2_000_000, True),
    Source("installation-guide-amd64", r"-amd64/en/.*\.html$", 1_000_000, True),
    Source("libreoffice-help-en-us", r"/text/.*\.html$", 10_000_000, True),
    Source("linux-doc-6.1", r"/html/(?!searchindex).*\.html$", 10_000_000, True),
    Source("manpages", r"/man/man\d/", 4_000_000, True),
    Source("manpages-dev", r"/man/man\d/", 4_000_000, True),
    Source("postgresql-doc-15", r"\.html$", 7_000_000, True),
    Source("python3.11-doc", r"\.html$", 8_000_000, True),
    Source("wordnet-base", r"/data\.(noun|verb|adj|adv)$", 4_000_000, False),
]

CODE = [
    Source("golang-1.19-src", r"\.go$", 9_000_000, False),
    Source(
        "libboost1.81-dev", r"/boost/(asio|graph|spirit|intrusive|beast|algorithm)/.*\.hpp$", 6_000_000, False
    ),
    Source("libpython3.11-stdlib", r"\.py$", 7_000_000, False),
    Source("libpython3.11-testsuite", r"\.py$", 5_000_000, False),
    Source("node-typescript", r"\.(ts|js)$", 6_000_000, False),
    Source("openjdk-17-source", r"\.zip$", 9_000_000, False),
    Source("python3-django", r"\.(py|js|html|css)$", 5_000_000, False),
    Source("rust-src", r"\.(rs|toml|c|h|S)$", 9_000_000, False),
]

_LATIN = ("cs", "de", "es", "fr", "it", "pl", "pt", "tr", "vi")
_OTHER = [
    "am",
    "ar",
    "as",
    "bn",
    "dz",
    "el",
    "fa",
    "gu",
    "he",
    "hi",
    "ja",
    "ka",
    "km",
    "kn",
    "ko",
    "ml",
    "mr",
    "pa",
    "ru",
    "sr",
    "ta",
    "te",
    "th",
    "uk",
    "zh",
]

LANGUAGES = {
    **{name: Language(0.01, 1_500_000) for name in _LATIN},
    **{name: Language(0.5, 3_000_000) for name in _OTHER},
    "zh": Language(0.5, 6_000_000),
}

_DOCS = r"/(help|html|man|installation-guide-amd64)/[^/]+/.*(\.html|\.page|\.\d\w*\.gz)$"
_CATALOGUES = r"/LC_MESSAGES/.*\.mo$"

TRANSLATED = [
    ("debian-handbook", _DOCS),
    ("gnome-user-docs", _DOCS),
    ("installation-guide-amd64", _DOCS),
    *(
        (f"manpages-{name}", _DOCS)
        for name in ("de", "el", "es", "fr", "ja", "pl", "ru", "tr", "uk", "vi", "zh")
    ),
    *(
        (f"libreoffice-help-{name}", _DOCS)
        for name in ("dz", "el", "hi", "ja", "km", "ko", "ru", "zh-cn", "zh-tw")
    ),
    *(
        (f"libreoffice-l10n-{name}", _CATALOGUES)
        for name in ("am", "ar", "bn", "fa", "gu", "he", "ka", "kn", "ml", "ta", "te", "th")
    ),
    ("plasma-desktop-data", _CATALOGUES),
    ("kdenlive-data", _CATALOGUES),
    ("digikam-data", _CATALOGUES),
    ("python3-django", _CATALOGUES),
    ("unicode-cldr-core", r"/common/(main|annotations)/\w+\.xml$"),
]

PACKAGES = sorted({source.package for source in (*ENGLISH, *CODE)} | {package for package, _ in TRANSLATED})
