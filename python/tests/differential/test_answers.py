"""Do filters, columns, joins, aggregations and sorts give DuckDB's answers, whatever the rows?

The examples are chosen by hypothesis from a fixed seed: every run asks the same questions.
"""

from __future__ import annotations

import pyarrow as pa
import pytest
from engines import check
from generated import PREDICATES, VALUES, tables
from hypothesis import given, settings
from hypothesis import strategies as st

import bowstring as bs

thoroughly = settings(derandomize=True, max_examples=100, deadline=None, database=None)

KEYS = st.sampled_from(["small", "large", "float", "word", "flag", "amount", "day", "moment", "kind"])


@thoroughly
@given(tables(), PREDICATES)
def test_filters(table: pa.Table, predicate: str) -> None:
    check(lambda frames: frames["t"].filter(predicate), f"select * from t where {predicate}", {"t": table})


@thoroughly
@given(tables(), st.lists(VALUES, min_size=1, max_size=3, unique=True))
def test_columns(table: pa.Table, values: list[str]) -> None:
    columns = [f"{value} as c{index}" for index, value in enumerate(values)]
    query = f"select id, {', '.join(columns)} from t"
    check(lambda frames: frames["t"].select("id", *columns), query, {"t": table})


JOINS = {
    "inner": "t.id, t.{key}, u.id from t join u on t.{key} = u.{key}",
    "left": "t.id, t.{key}, u.id from t left join u on t.{key} = u.{key}",
    "right": "t.id, u.{key}, u.id from t right join u on t.{key} = u.{key}",
    "full": "t.id, coalesce(t.{key}, u.{key}), u.id from t full join u on t.{key} = u.{key}",
    "semi": "t.id, t.{key} from t semi join u on t.{key} = u.{key}",
    "anti": "t.id, t.{key} from t anti join u on t.{key} = u.{key}",
}


@pytest.mark.parametrize("how", JOINS)
@settings(thoroughly, max_examples=40)
@given(tables(most_rows=12), tables(most_rows=12), KEYS)
def test_joins(how: str, left: pa.Table, right: pa.Table, key: str) -> None:
    def ask(frames: dict[str, bs.Frame]) -> bs.Frame:
        t, u = (frames[name].select("id", key) for name in ("t", "u"))
        return t.join(u, key, how)

    check(ask, f"select {JOINS[how].format(key=key)}", {"t": left, "u": right})


AGGREGATES = st.sampled_from(
    [
        "count(*)",
        "count({key})",
        "count(distinct {key})",
        "sum(small)",
        "sum(large)",
        "sum(amount)",
        "sum(float)",
        "avg(small)",
        "avg(cast(amount as double))",
        "min({key})",
        "max({key})",
        "min(float)",
        "max(float)",
        "min(word)",
        "bool_and(flag)",
        "bool_or(flag)",
        "sum(small) filter (where flag)",
        "count(distinct word)",
        "sum(distinct small)",
        "max(moment)",
        "sum(case when flag then 1 else 0 end)",
        "stddev_samp(small)",
        "var_pop(cast(id as double))",
    ]
)


@thoroughly
@given(tables(), st.lists(KEYS, max_size=2, unique=True), st.lists(AGGREGATES, min_size=1, max_size=3), KEYS)
def test_aggregates(table: pa.Table, by: list[str], aggregates: list[str], key: str) -> None:
    exprs = {f"a{index}": text.format(key=key) for index, text in enumerate(aggregates)}
    items = [*by, *(f"{expr} as {name}" for name, expr in exprs.items())]
    query = f"select {', '.join(items)} from t{' group by ' if by else ''}{', '.join(by)}"
    check(lambda frames: frames["t"].aggregate(by, **exprs), query, {"t": table})


@thoroughly
@given(tables(), st.sampled_from(["", "small", "word", "float", "kind, flag"]))
def test_distinct(table: pa.Table, columns: str) -> None:
    columns = columns or "small, float, flag"
    check(
        lambda frames: frames["t"].select(*columns.split(", ")).distinct(),
        f"select distinct {columns} from t",
        {"t": table},
    )


ORDERS = st.tuples(
    KEYS, st.sampled_from(["asc", "desc"]), st.sampled_from(["nulls first", "nulls last"])
).map(" ".join)


@thoroughly
@given(tables(), st.lists(ORDERS, min_size=1, max_size=3), st.one_of(st.none(), st.integers(0, 9)))
def test_sorts(table: pa.Table, orders: list[str], limit: int | None) -> None:
    orders = [*orders, "id asc nulls last"]
    query = f"select id from t order by {', '.join(orders)}"

    def ask(frames: dict[str, bs.Frame]) -> bs.Frame:
        sorted_frame = frames["t"].sort(*orders).select("id")
        return sorted_frame if limit is None else sorted_frame.limit(limit)

    check(ask, query if limit is None else f"{query} limit {limit}", {"t": table}, ordered=True)


QUERIES = st.sampled_from(
    [
        "select t.id, u.id as other from t, u where t.small = u.small and {p}",
        "select id from t where small in (select small from u where small is not null)",
        "select id from t where small not in (select small from u)",
        "select id from t where exists (select 1 from u where u.small = t.small)",
        "select id, (select max(u.large) from u where u.small = t.small) as most from t",
        "select small from t union select small from u",
        "select word from t intersect select word from u",
        "select word from t except select word from u",
        "select id, row_number() over (partition by kind order by small nulls last, id) from t",
        "select id, sum(id) over (order by id rows between 1 preceding and current row) from t",
        "select id, lag(word) over (order by id) from t",
        "select id, first_value(small) over (partition by flag order by id) from t",
        "select kind, count(*) as n from t group by kind having count(*) > 1",
        "select small, flag, count(*) from t group by rollup (small, flag)",
        "with w as (select * from t where small > 0) "
        "select w.id, u.id as other from w join u on w.small < u.small",
    ]
)


@thoroughly
@given(tables(most_rows=12), tables(most_rows=12), QUERIES)
def test_queries(t: pa.Table, u: pa.Table, query: str) -> None:
    query = query.format(p="t.flag")
    check(lambda frames: bs.sql(query, **frames), query, {"t": t, "u": u})
