"""Every method of a graph has an example, and every example runs."""

from __future__ import annotations

import doctest

import bowstring as bs
from bowstring import _graph


def test_every_method_has_an_example() -> None:
    methods = [name for name in vars(bs.Graph) if not name.startswith("_")]
    plain = {name for name, value in vars(bs.Graph).items() if isinstance(value, property)}
    without = [
        name for name in methods if name not in plain and ">>>" not in (getattr(bs.Graph, name).__doc__ or "")
    ]
    assert without == []
    assert len(methods) > 40


def test_every_example_runs() -> None:
    failed, ran = doctest.testmod(_graph)
    assert failed == 0
    assert ran > 80
