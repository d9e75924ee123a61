"""Tables and expressions out of thin air, for hypothesis to choose from and to make smaller.

Every kind of value that is easy to get wrong is likely: nulls, NaN, both zeros, infinities, the ends of
integer types, text beyond ASCII, decimals, instants in a zone, structs and lists that are null or hold
nulls, dictionaries, and tables without rows.
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import strategies as st

Strategy = st.SearchStrategy[str]

WORDS = ["", "a", "A", "ab", "b%", "zebra", "é", "e\u0301", "Äpfel", "日本", "🦜", "it's", " a", "null"]
MOMENTS = [
    dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC),
    dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC),
    # The hour that the end of summer time gives twice.
    dt.datetime(2024, 10, 27, 0, 30, tzinfo=dt.UTC),
    dt.datetime(2024, 10, 27, 1, 30, tzinfo=dt.UTC),
]
DAYS = [dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(2024, 2, 29), dt.date(9999, 12, 31)]
AMOUNTS = [
    Decimal(text) for text in ["0.00", "-0.01", "0.10", "1.00", "12.50", "9999999999.99", "-9999999999.99"]
]
FLOATS = [0.0, -0.0, 0.5, -1.5, 1.0, 3.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308]
LARGE = [0, 1, -1, 2, 3, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]

PLACE = pa.struct([("x", pa.int64()), ("y", pa.string())])

SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "small": pa.int32(),
        "large": pa.int64(),
        "float": pa.float64(),
        "word": pa.string(),
        "flag": pa.bool_(),
        "amount": pa.decimal128(12, 2),
        "day": pa.date32(),
        "moment": pa.timestamp("us", tz="Europe/Berlin"),
        "kind": pa.dictionary(pa.int32(), pa.string()),
        "place": PLACE,
        "list": pa.list_(pa.int64()),
    }
)


def or_null(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.none(), values, values, values)


ROW = st.fixed_dictionaries(
    {
        "small": or_null(st.sampled_from([-(2**31), -2, -1, 0, 1, 2, 2**31 - 1])),
        "large": or_null(st.sampled_from(LARGE)),
        "float": or_null(st.sampled_from(FLOATS)),
        "word": or_null(st.sampled_from(WORDS)),
        "flag": or_null(st.booleans()),
        "amount": or_null(st.sampled_from(AMOUNTS)),
        "day": or_null(st.sampled_from(DAYS)),
        "moment": or_null(
            st.sampled_from([moment.astimezone(ZoneInfo("Europe/Berlin")) for moment in MOMENTS])
        ),
        "kind": or_null(st.sampled_from(["red", "green", "blå"])),
        "place": or_null(
            st.fixed_dictionaries(
                {"x": or_null(st.sampled_from([-1, 0, 1])), "y": or_null(st.sampled_from(WORDS))}
            )
        ),
        "list": or_null(st.lists(or_null(st.sampled_from([-1, 0, 1])), max_size=3)),
    }
)


@st.composite
def tables(draw: st.DrawFn, most_rows: int = 24) -> pa.Table:
    """A table in one to three batches; its `id` numbers the rows."""
    rows = draw(st.lists(ROW, max_size=most_rows))
    for number, row in enumerate(rows):
        row["id"] = number
    cut = draw(st.integers(0, len(rows)))
    batches = [pa.RecordBatch.from_pylist(part, SCHEMA) for part in (rows[:cut], rows[cut:]) if part]
    return pa.Table.from_batches(batches, SCHEMA)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


SMALL = st.sampled_from([-2, -1, 0, 1, 2]).map(str)
LARGE_LITERALS = st.sampled_from(["0", "1", "-1", str(2**31), str(2**53 + 1), str(2**63 - 1)])
FLOAT_LITERALS = st.sampled_from(
    ["0.0", "0.5", "-1.5", "1e0", "1e300", "cast('NaN' as double)", "cast('-0.0' as double)"]
)
AMOUNT_LITERALS = st.sampled_from(["0.00", "0.1", "12.5", "-0.01", "1", "9999999999.99"])
WORD_LITERALS = st.sampled_from(WORDS).map(quoted)
DAY_LITERALS = st.sampled_from([f"date '{day.isoformat()}'" for day in DAYS])
MOMENT_LITERALS = st.sampled_from(
    [f"cast('{moment.isoformat()}' as timestamp with time zone)" for moment in MOMENTS]
)

LITERALS: dict[str, Strategy] = {
    "small": SMALL,
    "large": LARGE_LITERALS,
    "float": FLOAT_LITERALS,
    "amount": AMOUNT_LITERALS,
    "word": WORD_LITERALS,
    "day": DAY_LITERALS,
    "moment": MOMENT_LITERALS,
    "kind": st.sampled_from(["'red'", "'green'", "'blå'", "'x'"]),
    "place['x']": SMALL,
    "place['y']": WORD_LITERALS,
    "list[1]": SMALL,
}
COLUMNS = st.sampled_from(list(LITERALS))
OPERATORS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
SAME_TYPES = st.sampled_from(
    [
        ("small", "large"),
        ("small", "float"),
        ("large", "place['x']"),
        ("amount", "small"),
        ("amount", "large"),
        ("word", "kind"),
        ("word", "place['y']"),
        ("float", "float"),
        ("day", "day"),
        ("list[1]", "small"),
    ]
)


@st.composite
def conditions(draw: st.DrawFn) -> str:
    """A condition on one column, or on two."""
    column = draw(COLUMNS)
    literals = LITERALS[column]
    shape = draw(
        st.sampled_from(
            ["compare", "compare", "between", "in", "null", "columns", "like", "flag", "distinct"]
        )
    )
    match shape:
        case "compare":
            return f"{column} {draw(OPERATORS)} {draw(literals)}"
        case "between":
            return f"{column} {draw(NOT)} between {draw(literals)} and {draw(literals)}"
        case "in":
            values = draw(st.lists(literals, min_size=1, max_size=4))
            return f"{column} {draw(NOT)} in ({', '.join(values)})"
        case "null":
            return f"{column} is {draw(NOT)} null"
        case "columns":
            left, right = draw(SAME_TYPES)
            return f"{left} {draw(OPERATORS)} {right}"
        case "like":
            pattern = draw(st.sampled_from(["a%", "%a", "_", "%é%", "", "%", "日%"]))
            return f"word {draw(NOT)} like {quoted(pattern)}"
        case "distinct":
            return f"{column} is {draw(NOT)} distinct from {draw(literals)}"
        case _:
            return "flag"


NOT = st.sampled_from(["", "not"])
PREDICATES: Strategy = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda it: f"({it[0]}) {it[1]} ({it[2]})"
        ),
    ),
    max_leaves=4,
)

VALUES: Strategy = st.sampled_from(
    [
        "large + 1",
        "large - small",
        "large * small",
        "-large",
        "small + small * 2",
        "large % 7",
        "abs(large)",
        "amount + amount",
        "amount * 2",
        "amount - small",
        "amount * 1.5",
        "float + 1",
        "float * small",
        "float / 4",
        "cast(small as double) / 3",
        "cast(large as int)",
        "cast(small as string)",
        "cast(amount as double)",
        "cast(word as bigint)",
        "upper(word)",
        "length(word)",
        "word || '-' || kind",
        "coalesce(word, kind, 'none')",
        "nullif(small, 0)",
        "case when small > 0 then 'more' when flag then word end",
        "case kind when 'red' then large else id end",
        "place['x'] + 1",
        "place",
        "list",
        "list[2]",
        "extract(year from day)",
        "cast(case when day < date '9000-01-01' then day + interval '1' month end as date)",
        "moment",
        "greatest(small, 0)",
        "trim(word)",
        "substr(word, 2, 1)",
        "replace(word, 'a', '€')",
        "starts_with(word, 'a')",
        "flag and small > 0",
        "flag or small > 0",
        "not flag",
    ]
)
