"""Groups of timesteps, the ranges that their activations have, and how they are refined."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bowstring as bs
from bowstring import quant

DIGITS = Path(__file__).parents[3] / "examples" / "digits-diffusion"
sys.path.insert(0, str(DIGITS))

from networks import load  # noqa: E402
from sampling import load_sampler, sample  # noqa: E402

Array = npt.NDArray[np.float32]
RANDOM = np.random.default_rng(9)
SIZES = [1.0, 1.1, 1.2, 4.0, 4.2, 9.0]
"""How large inputs are at the timesteps 0 to 5."""
INPUTS = {
    timestep: {
        "a.weight": (size * RANDOM.standard_t(4, (60, 8))).astype(np.float32),
        "b.weight": np.abs(RANDOM.standard_normal((40, 4)) * size).astype(np.float32),
    }
    for timestep, size in enumerate(SIZES)
}


@pytest.fixture
def calibrator() -> quant.Calibrator:
    seen = quant.Calibrator()
    for timestep, layers in INPUTS.items():
        for layer, inputs in layers.items():
            seen.observe(layer, inputs, timestep=timestep)
    return seen


def rounded(x: Array, least: float, greatest: float, bits: int) -> npt.NDArray[np.float64]:
    """What rounding is by definition."""
    scale = (greatest - least) / (2**bits - 1)
    zero = np.round(-least / scale)
    return (np.clip(np.round(x / scale) + zero, 0, 2**bits - 1) - zero) * scale


def test_groups_are_cut_where_the_inputs_change(calibrator: quant.Calibrator) -> None:
    groups = quant.TimeGroups.cluster(calibrator, 3)
    assert groups.groups == ((5,), (4, 3), (2, 1, 0))
    assert [groups.of(timestep) for timestep in range(6)] == [2, 2, 2, 1, 1, 0]
    some = quant.TimeGroups.cluster(calibrator, 2, timesteps=[0, 2, 5])
    assert some.groups == ((5,), (2, 0))
    assert [some.of(timestep) for timestep in (9, 4, 3, 1)] == [0, 0, 1, 1]
    steps = quant.Schedule.cosine(50).steps(10)
    assert quant.TimeGroups.uniform(steps, 4).timesteps == tuple(steps.timesteps.tolist())
    assert quant.TimeGroups.uniform(6, 3).groups == ((5, 4), (3, 2), (1, 0))
    assert len(groups) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quant.TimeGroups.uniform(4, 5), "num_time_groups"),
        (lambda: quant.TimeGroups.uniform(4, 0), "num_time_groups"),
        (lambda: quant.TimeGroups.uniform(4, -1), "num_time_groups: expected a whole number"),
        (lambda: quant.TimeGroups((3, 4), (1, 1)), "timesteps"),
        (lambda: quant.TimeGroups((4, 3), (1, 2)), r"sizes: .*the sum 2, got \(1, 2\)"),
        (lambda: quant.TimeGroups((4, 3), (2, 0)), "sizes"),
        (lambda: quant.TimeGroups((), ()), "sizes"),
        (lambda: quant.TimeGroups.uniform(4, 2).of(-1), "timestep"),
    ],
)
def test_what_groups_cannot_be(call: Callable[[], object], message: str) -> None:
    with pytest.raises(bs.UsageError, match=message):
        call()


def test_ranges_hold_what_was_seen_or_have_less_error(calibrator: quant.Calibrator) -> None:
    groups = quant.TimeGroups.cluster(calibrator, 3)
    full = quant.ActivationRanges.of(calibrator, groups, bits=4, method="minmax")
    best = quant.ActivationRanges.of(calibrator, groups, bits=4)
    assert (full.layers, full.bits) == (("a.weight", "b.weight"), 4)
    for row, layer in enumerate(full.layers):
        for column, timesteps in enumerate(groups.groups):
            values = np.concatenate([INPUTS[timestep][layer].ravel() for timestep in timesteps])
            ends = min(values.min(), 0), max(values.max(), 0)
            assert (full.least[row, column], full.greatest[row, column]) == ends
            assert full.range(layer, timestep=timesteps[-1]) == tuple(map(float, ends))

            def error(ranges: quant.ActivationRanges) -> float:
                found = ranges.simulate(layer, values, timestep=timesteps[0])  # noqa: B023
                return float(np.square(found - values).mean())  # noqa: B023

            assert error(best) < error(full) or values.min() == 0
    some = quant.ActivationRanges.of(calibrator, groups, bits=4, skip=["b.*"])
    assert some.layers == ("a.weight",)
    assert np.array_equal(some.least, best.least[:1])
    one, three = (quant.ActivationRanges.of(calibrator, groups, threads=threads) for threads in (1, 3))
    assert one.least.tobytes() + one.greatest.tobytes() == three.least.tobytes() + three.greatest.tobytes()
    table = pa.table(best.table).to_pylist()
    assert [(row["layer"], tuple(row["timesteps"])) for row in table] == [
        (layer, group) for layer in best.layers for group in groups.groups
    ]
    assert [row["least"] for row in table] == best.least.ravel().tolist()
    assert [row["bits"] for row in table] == [4] * 6


def test_ranges_are_read_as_they_were_saved(tmp_path: Path) -> None:
    groups = quant.TimeGroups((9, 7, 4, 0), (1, 3))
    ends = RANDOM.uniform(0, 3, (2, 3, 2)).astype(np.float32)
    ranges = quant.ActivationRanges(["b.weight", "a.weight", "c"], groups, -ends[0], ends[1], bits=3)
    path = tmp_path / "new" / "ranges.parquet"
    ranges.save(path)
    found = quant.ActivationRanges.open(path)
    assert (found.layers, found.groups, found.bits) == (ranges.layers, groups, 3)
    assert found.least.tobytes() + found.greatest.tobytes() == (-ends[0]).tobytes() + ends[1].tobytes()
    assert pa.table(found.table).equals(pa.table(ranges.table))
    assert [file.name for file in path.parent.iterdir()] == ["ranges.parquet"]
    with pytest.raises(bs.UsageError, match="layers: expected at least one"):
        quant.ActivationRanges([], groups, np.zeros((0, 2)), np.zeros((0, 2))).save(path)
    with pytest.raises(bs.NotFoundError):
        quant.ActivationRanges.open(tmp_path / "absent.parquet")


def _changed(column: str, values: list[object]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        return table.set_column(place, table.field(place), pa.array(values, table.field(place).type))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.replace_schema_metadata(None), "is no file of ranges"),
        (lambda table: table.replace_schema_metadata({"bowstring.activation_ranges": "2"}), "of version 1"),
        (lambda table: table.drop_columns(["bits"]), "is no file of ranges"),
        (lambda table: table.slice(0, 0), "no rows"),
        (lambda table: table.slice(0, 3), "the same groups"),
        (_changed("layer", ["a", "b", "a", "b"]), "the same groups"),
        (_changed("timesteps", [[3, 2], [1, 0], [3], [2, 1, 0]]), "the same groups"),
        (_changed("timesteps", [[1, 2], [3, 4]] * 2), "timesteps: expected each to be less"),
        (_changed("timesteps", [None, [1, 0]] * 2), "nulls"),
        (_changed("timesteps", [[3, None], [1, 0]] * 2), "is damaged"),
        (_changed("timesteps", [[], [1, 0]] * 2), "sizes"),
        (_changed("layer", [None, None, "b", "b"]), "is damaged"),
        (_changed("bits", [4, 4, 4, 8]), "the same groups and bits"),
        (_changed("bits", [5, 5, 5, 5]), "bits"),
        (_changed("bits", [None] * 4), "is damaged"),
        (_changed("least", [float("nan"), 0, 0, 0]), "is damaged"),
        (_changed("least", [None, 0, 0, 0]), "is damaged"),
        (_changed("greatest", [1, -1, 1, 1]), "is damaged"),
        (lambda table: table.set_column(0, "layer", pa.array([1, 1, 2, 2])), "is no file of ranges"),
        (lambda table: table.set_column(2, "least", pa.array(["0"] * 4)), "is no file of ranges"),
        (lambda table: table.set_column(2, "least", pa.array([["0"]] * 4)), "is no file of ranges"),
        (lambda table: table.set_column(4, "bits", pa.array([[4]] * 4)), "is no file of ranges"),
        (lambda table: table.set_column(1, "timesteps", pa.array(["32", "10"] * 2)), "is no file of ranges"),
        (
            lambda table: table.set_column(1, "timesteps", pa.array([[[3]], [[1]]] * 2)),
            "is no file of ranges",
        ),
    ],
)
def test_files_that_cannot_be_ranges_are_refused(
    change: Callable[[pa.Table], pa.Table], message: str, tmp_path: Path
) -> None:
    groups = quant.TimeGroups.uniform(4, 2)
    ends = np.ones((2, 2))
    table = pa.table(quant.ActivationRanges(["a", "b"], groups, -ends, ends, bits=4).table)
    pq.write_table(change(table), tmp_path / "x.parquet")
    with pytest.raises(bs.DataError, match=message):
        quant.ActivationRanges.open(tmp_path / "x.parquet")


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_inputs_are_rounded_to_the_nearest_code(bits: int) -> None:
    groups = quant.TimeGroups.uniform(2, 2)
    ranges = quant.ActivationRanges(["a.weight"], groups, [[-1.0, -2.5]], [[2.0, 0.5]], bits=bits)
    x = RANDOM.uniform(-3, 3, (5, 7, 11)).astype(np.float32)
    for timestep, (least, greatest) in enumerate([(-2.5, 0.5), (-1.0, 2.0)]):
        found = ranges.simulate("a.weight", x, timestep=timestep)
        assert found.shape == x.shape
        near = np.isclose(found, rounded(x, least, greatest, bits), atol=1e-5)
        # Halfway between two codes both are the nearest.
        assert near.mean() > 0.99
        assert len(np.unique(found)) <= 2**bits
        assert 0 in ranges.simulate("a.weight", np.zeros(1, np.float32), timestep=timestep)
        with ranges.at(timestep):
            assert np.array_equal(ranges.simulate("a.weight", x), found)
            assert np.array_equal(ranges.on_input()("a", x), found)
            assert ranges.on_input()("b", x) is x
            assert np.array_equal(ranges.on_input(prefix="")("a", x), found)
    assert ranges.timestep is None


def test_what_ranges_cannot_be(calibrator: quant.Calibrator) -> None:
    groups = quant.TimeGroups.uniform(6, 2)
    make: Any = quant.ActivationRanges

    def refused(call: Callable[[], object], message: str, error: type[Exception] = bs.UsageError) -> None:
        with pytest.raises(error, match=message):
            call()

    refused(
        lambda: make(["a"], groups, [[-1.0]], [[1.0, 1.0]]), r"least: expected an array of shape \(1, 2\)"
    )
    refused(lambda: make(["a"], groups, [[1.0, 0.0]], [[2.0, 2.0]]), "range")
    refused(lambda: make(["a"], groups, [[-1.0, 0.0]], [[np.nan, 2.0]]), "range")
    refused(lambda: make(["a"], groups, [[-1.0, 0.0]], [[1.0, 2.0]], bits=5), "bits")
    refused(lambda: make(["a", "a"], groups, [[-1, 0]] * 2, [[1, 2]] * 2), "each name once")
    ranges = make(["a.weight"], groups, [[-1.0, 0.0]], [[1.0, 2.0]])
    refused(lambda: ranges.simulate("b.weight", [0.5], timestep=0), "no range of `b.weight`")
    refused(lambda: ranges.simulate("a.weight", [0.5], timestep=-1), "timestep")
    refused(lambda: ranges.simulate("a.weight", [0.5]), "nothing says which it is")
    refused(lambda: ranges.simulate("a.weight", [1], timestep=0), "expected floats", TypeError)
    refused(lambda: ranges.simulate("a.weight", [np.nan], timestep=0), "NaN", bs.DataError)
    with pytest.raises(ValueError, match="read-only"):
        ranges.least[0, 0] = -9
    of = quant.ActivationRanges.of
    refused(lambda: of(calibrator, groups, method="max"), "method", bs.UsageError)  # type: ignore[arg-type]
    refused(lambda: of(calibrator, groups, layers=["a.weigth"]), "did you mean `a.weight`")
    refused(
        lambda: of(calibrator, quant.TimeGroups.uniform(7, 2)),
        "`a.weight` at timestep 6, `b.weight` at timestep 6",
        bs.DataError,
    )


def test_jumps_are_how_far_neighbours_differ(calibrator: quant.Calibrator) -> None:
    groups = quant.TimeGroups.uniform(6, 3)
    ranges = quant.ActivationRanges(["a", "b"], groups, [[-1, -1, -2], [0, 0, 0]], [[1, 1, 2], [4, 2, 2]])
    assert ranges.jumps == pytest.approx((0.25, 0.25))


def test_ranges_never_get_worse(calibrator: quant.Calibrator) -> None:
    weights = [5.0, 0.0, 1.0, 2.0, 0.5, 3.0]
    loss = quant.ThermodynamicLoss(bits=4, weights=weights, sensitivities={"b.weight": 7.0})
    optimizer = quant.TransitionOptimizer(loss=loss)
    groups = quant.TimeGroups.uniform(6, 2)
    starts = [
        quant.ActivationRanges.of(calibrator, groups, bits=4, method="minmax"),
        quant.ActivationRanges.of(calibrator, groups, bits=4),
        quant.ActivationRanges(["a.weight", "b.weight"], groups, [[-0.1, 0]] * 2, [[0.1, 50.0]] * 2, bits=4),
    ]
    for start in starts:
        found = optimizer.optimize_params(calibrator, start)
        assert found.history[0] == pytest.approx(loss.of(calibrator, start), rel=1e-12)
        assert found.history[-1] == pytest.approx(loss.of(calibrator, found.ranges), rel=1e-12)
        assert all(later <= earlier for earlier, later in pairwise(found.history))
        assert loss.of(calibrator, found.ranges) <= loss.of(calibrator, start)
        again = optimizer.optimize_params(calibrator, found.ranges)
        assert again.history[-1] <= found.history[-1]
        assert 2 <= len(found.history) <= 9
        parts = [optimizer.optimize_params(calibrator, start, threads=threads) for threads in (1, 3)]
        assert parts[0].history == parts[1].history == found.history
        for name in ("least", "greatest"):
            one, three = (getattr(part.ranges, name).tobytes() for part in parts)
            assert one == three
    assert found.history[-1] < 0.5 * found.history[0], "the last start is far off"
    short = quant.TransitionOptimizer(config=quant.OptimizerConfig(rounds=0), loss=loss)
    assert np.array_equal(short.optimize_params(calibrator, starts[0]).ranges.least, starts[0].least)
    # A timestep that counts for nothing has no say.
    alone = quant.ThermodynamicLoss(bits=4, weights=[0, 0, 0, 0, 0, 1.0])
    one_group = quant.ActivationRanges.of(calibrator, quant.TimeGroups.uniform(6, 1), bits=4, method="minmax")
    narrow = quant.TransitionOptimizer(loss=alone).optimize_params(calibrator, one_group).ranges
    assert (narrow.greatest < 0.4 * one_group.greatest).all()


def test_what_a_loss_cannot_be(calibrator: quant.Calibrator) -> None:
    start = quant.ActivationRanges.of(calibrator, quant.TimeGroups.uniform(6, 2))

    def refused(error: type[Exception], message: str, **options: object) -> None:
        optimizer = quant.TransitionOptimizer(loss=quant.ThermodynamicLoss(**options))
        with pytest.raises(error, match=message):
            optimizer.optimize_params(calibrator, start)

    refused(bs.UsageError, "bits: ranges have 8, the loss 4", bits=4)
    refused(bs.UsageError, "weights of sampling steps: 2 where 6", weights=[1, 2])
    refused(bs.DataError, "the weight of step 1 cannot be -1", weights=[1, -1, 1, 1, 1, 1])
    refused(bs.DataError, "sensitivity of layer 0", sensitivities={"a.weight": np.inf})
    refused(bs.UsageError, "sensitivities: there is no layer `c.weight`", sensitivities={"c.weight": 1.0})
    calibrator.observe("c.weight", np.ones((1, 2)), timestep=0)
    with pytest.raises(bs.DataError, match=r"`c\.weight` at timestep"):
        quant.ActivationRanges.of(calibrator, start.groups)


def test_bytes_are_spent_where_they_save_the_most() -> None:
    tensors = [f"{number}.weight" for number in range(5)]
    costs = {name: {bits: float(RANDOM.uniform(1, 9) * 4.0**-bits) for bits in (2, 3, 4)} for name in tensors}
    sizes = {
        name: {bits: int(size) * bits for bits in (2, 3, 4)}
        for name, size in zip(tensors, RANDOM.integers(50, 500, 5), strict=True)
    }
    optimizer = quant.TransitionOptimizer()

    def total(of: dict[str, dict[int, Any]], choices: tuple[int, ...]) -> Any:  # noqa: ANN401
        return sum(of[name][bits] for name, bits in zip(tensors, choices, strict=True))

    least = total(sizes, (2,) * 5)
    for budget in (least, int(1.3 * least), int(1.7 * least), 3 * least):
        found = optimizer.allocate(costs, sizes, budget=budget)
        choices = tuple(found.choices[name] for name in tensors)
        assert (found.bytes, found.exact) == (total(sizes, choices), True)
        assert found.cost == pytest.approx(total(costs, choices)) == pytest.approx(found.bound)
        every = [one for one in product((2, 3, 4), repeat=5) if total(sizes, one) <= budget]
        assert found.cost == pytest.approx(min(total(costs, one) for one in every))
    with pytest.raises(bs.UsageError, match=f"the least possible is {least} bytes"):
        optimizer.allocate(costs, sizes, budget=least - 1)
    with pytest.raises(bs.UsageError, match=r"`0\.weight` is in one of them"):
        optimizer.allocate({name: costs[name] for name in tensors[1:]}, sizes, budget=least)
    with pytest.raises(bs.UsageError, match=r"the choices that `1\.weight` has in costs"):
        optimizer.allocate(costs, {**sizes, "1.weight": {2: 1, 3: 2}}, budget=least)
    with pytest.raises(bs.DataError, match="cost of tensor 0"):
        optimizer.allocate({**costs, "0.weight": {2: -1.0, 3: 0.0, 4: 0.0}}, sizes, budget=least)
    with pytest.raises(bs.UsageError, match="budget"):
        optimizer.allocate(costs, sizes, budget=-1)


def test_groups_round_a_diffusion_model_better_than_one_range() -> None:
    calibrator = quant.Calibrator()
    weights = load(DIGITS / "data" / "unet").weights
    see = calibrator.on_input(weights, strides={"down_blocks.*.downsamplers.*.weight": 2})
    steps = quant.Schedule.from_config(DIGITS / "data" / "scheduler").steps(12)
    network = load(DIGITS / "data" / "unet", on_input=see)
    quant.calibrate(network, steps, calibrator, shape=(1, 8, 8), samples=8, seed=2)
    plain = load(DIGITS / "data" / "unet")
    states = sample(plain, load_sampler(DIGITS / "data" / "scheduler", steps=12), 6, 3).states
    x = dict(zip(steps.timesteps.tolist(), states[:-1], strict=True))

    def error(groups: int, bits: int) -> float:
        found = quant.TimeGroups.cluster(calibrator, groups)
        ranges = quant.ActivationRanges.of(calibrator, found, bits=bits)
        rough = load(DIGITS / "data" / "unet", on_input=ranges.on_input())
        total = 0.0
        for t in x:
            with ranges.at(t):
                total += float(np.square(rough(x[t], t) - plain(x[t], t)).mean())
        return total

    assert error(1, 8) < 0.05 * error(1, 4)
    assert error(6, 4) < error(1, 4)
    one, six = (
        quant.ThermodynamicLoss(bits=4).of(
            calibrator,
            quant.ActivationRanges.of(calibrator, quant.TimeGroups.cluster(calibrator, count), bits=4),
        )
        for count in (1, 6)
    )
    assert six < one
