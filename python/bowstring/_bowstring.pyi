import pathlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, final, overload

from arro3.core import Array, ChunkedArray, RecordBatch, Schema

from bowstring._results import _Integers, _Numbers
from bowstring._tables import AnyTable, Path, Paths

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = [
    "DecodeStream",
    "Document",
    "Encoding",
    "Finished",
    "Frame",
    "NativeBatch",
    "NativeCalibration",
    "NativeGraph",
    "NativeModel",
    "NativeQuantizedModel",
    "NativeSchedule",
    "NativeTokenizer",
    "Outcome",
    "Table",
    "__version__",
    "activation_ranges",
    "allocate_candidates",
    "byte_size",
    "categorical_kl",
    "cli",
    "clustered_groups",
    "dequantize_array",
    "dequantize_table",
    "divergence_weights",
    "equalize_model",
    "equalize_model_async",
    "metadata",
    "metadata_async",
    "optimize_ranges",
    "pack_codes",
    "path_kl",
    "quantize",
    "quantize_array",
    "quantize_async",
    "quantize_table",
    "range_jumps",
    "ranges_loss",
    "read",
    "read_async",
    "register_step",
    "round_activations",
    "scan",
    "sql",
    "uniform_groups",
    "unpack_codes",
    "validate_quantized",
    "validate_quantized_async",
    "write",
    "write_async",
]

__version__: str

@final
class Table:
    """Rows in memory, as Arrow record batches of one schema. Immutable; sharing it copies nothing.

    `Table(data)` takes a table of any library with the Arrow PyCapsule interface, without a copy; what has
    none is a `TypeError`.
    """

    def __new__(cls, data: AnyTable, /) -> Table: ...
    @property
    def num_rows(self) -> int:
        """The number of rows."""

    @property
    def num_columns(self) -> int:
        """The number of columns."""

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""

    @property
    def nbytes(self) -> int:
        """Bytes of the rows; of a shared buffer, only the part that belongs to them."""

    @property
    def schema(self) -> Schema:
        """Names, types, nullability and metadata of the columns."""

    @property
    def batches(self) -> list[RecordBatch]:
        """The rows in the pieces in which they are held, in order; not copied."""

    def column(self, name: str, /) -> ChunkedArray:
        """One column; not copied.

        Raises:
            UsageError: When there is none of this name; the nearest one is named.
        """

    def to_pyarrow(self) -> pa.Table:
        """As a pyarrow table; not copied. Needs pyarrow."""

    def to_polars(self) -> pl.DataFrame:
        """As a polars frame; polars copies what it holds in another form. Needs polars."""

    def to_pandas(self) -> pd.DataFrame:
        """As a pandas frame, by pyarrow's conversion. Needs pandas and pyarrow."""

    def __getitem__(self, name: str, /) -> ChunkedArray: ...
    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class Frame:
    """A query that has not run: where rows come from, and what is to be done with them.

    Every method gives a new frame, and checks names and types at once; nothing is read before the
    frame is run. Where a method takes an expression, the exact name of a column is that column, and
    any other text is SQL, in which a name with unusual characters stands in double quotes.

    `Frame(data)` takes a table of any library with the Arrow PyCapsule interface, without a copy; what has
    none is a `TypeError`.
    """

    def __new__(cls, data: AnyTable, /) -> Frame: ...
    @property
    def schema(self) -> Schema:
        """Names and types of the columns that the rows will have."""

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""

    def select(self, *columns: str) -> Frame:
        """Keep these expressions, in this order: `select("id", "price * 2 AS double_price")`.

        Raises:
            UsageError: When an expression is malformed or names a column that does not exist.
        """

    def with_columns(self, **exprs: str) -> Frame:
        """Add columns by name, or replace those that exist: `with_columns(total="price * n")`.

        Raises:
            UsageError: When an expression is malformed or names a column that does not exist.
        """

    def rename(self, mapping: Mapping[str, str], /) -> Frame:
        """Give columns other names, from old to new.

        Raises:
            UsageError: When a column does not exist, or two would have one name.
        """

    def drop(self, *columns: str) -> Frame:
        """Leave columns out.

        Raises:
            UsageError: When a column does not exist.
        """

    def cast(self, mapping: Mapping[str, str], /) -> Frame:
        """Change types: `cast({"id": "int64", "price": "decimal(12, 2)"})`.

        A value that does not fit its new type is a `DataError` when the frame runs.

        Raises:
            UsageError: When a column or a type does not exist.
        """

    def fill_null(self, mapping: Mapping[str, Any], /) -> Frame:
        """Put a value where a column has none.

        Raises:
            UsageError: When a column does not exist, or a value does not fit its type.
        """

    def filter(self, expr: str, /) -> Frame:
        """Keep the rows for which a condition is true; not those for which it is null.

        Raises:
            UsageError: When the condition is malformed, is not boolean, or compares text with a number.
        """

    def join(
        self,
        other: AnyTable,
        on: str | Sequence[str] | Mapping[str, str] | None = None,
        how: Literal["inner", "left", "right", "full", "semi", "anti", "cross"] = "inner",
    ) -> Frame:
        """Bring the columns of another table to the rows whose keys are equal.

        Args:
            other: The right side.
            on: The name of the key, several, or a mapping of names on the left to names on the right.
                Left out for a cross join alone.
            how: Which rows there are: `inner`, `left`, `right`, `full`, `semi` or `anti` (rows of the left
                with or without a partner), `cross` (every pair).

        Raises:
            UsageError: When a key does not exist, or the keys' types do not go together.
        """

    def aggregate(self, by: Sequence[str], /, **exprs: str) -> Frame:
        """Make one row of each group: `aggregate(["section"], packages="count(*)")`.

        Args:
            by: What to group by; one row in all when empty.
            exprs: Aggregates by the name of their column.

        Raises:
            UsageError: When an expression is malformed, or is no aggregate.
        """

    def sort(self, *by: str) -> Frame:
        """Put rows in order: `sort("section", "size desc")`. Nulls come last unless `nulls first` is said.

        Raises:
            UsageError: When an expression is malformed or names a column that does not exist.
        """

    def distinct(self, *columns: str) -> Frame:
        """Keep one of the rows that are equal, in these columns or in all.

        Raises:
            UsageError: When a column does not exist.
        """

    def union(self, other: AnyTable, /) -> Frame:
        """Add the rows of another table with the same columns, which are matched by name.

        Raises:
            UsageError: When the columns do not agree.
        """

    def limit(self, n: int, /) -> Frame:
        """Keep the first rows."""

    def explain(self, analyze: bool = False) -> str:
        """Show the physical plan, one operator a line.

        Args:
            analyze: Run the query, throw its rows away, and show each operator's measures.
        """

    def collect(self) -> Table:
        """Run the query.

        Rows keep the order of their file or table, or that of a sort; after a join or an aggregation
        their order is open.

        Raises:
            DataError: When data is malformed or cannot be computed with.
            StorageError: When a file cannot be read.
            LimitError: When the query needs more memory than it may have.
        """

    def collect_async(self) -> Awaitable[Table]:
        """As [`collect`][bowstring.Frame.collect], to be awaited; cancelling the task stops the query."""

    def to_pyarrow(self) -> pa.Table:
        """Run the query, and give the rows to pyarrow."""

    def to_polars(self) -> pl.DataFrame:
        """Run the query, and give the rows to polars."""

    def to_pandas(self) -> pd.DataFrame:
        """Run the query, and give the rows to pandas."""

    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class NativeGraph:
    @staticmethod
    def from_edges(
        source: object,
        target: object,
        weight: object | None,
        nodes: object | None,
        options: Mapping[str, object],
    ) -> NativeGraph: ...
    @staticmethod
    def from_table(
        edges: AnyTable,
        columns: tuple[str, str, str | None],
        nodes: object | None,
        options: Mapping[str, object],
    ) -> NativeGraph: ...
    @staticmethod
    def from_csr(
        indptr: object, indices_: object, weights_: object | None, options: Mapping[str, object]
    ) -> NativeGraph: ...
    @staticmethod
    def matrix_market(path: Path) -> NativeGraph: ...
    @property
    def num_nodes(self) -> int: ...
    @property
    def num_edges(self) -> int: ...
    @property
    def is_directed(self) -> bool: ...
    @property
    def is_weighted(self) -> bool: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def ids(self) -> Array | None: ...
    def index_of(self, node: int | str) -> int: ...
    def csr(self) -> tuple[_Integers, _Integers, _Numbers | None]: ...
    def csc(self) -> tuple[_Integers, _Integers, _Numbers | None]: ...
    def neighbors(self, node: int | str) -> _Integers: ...
    def has_edge(self, source: int | str, target: int | str) -> bool: ...
    def reverse(self) -> NativeGraph: ...
    def to_undirected(self, options: Mapping[str, object]) -> NativeGraph: ...
    def subgraph(self, nodes: object) -> NativeGraph: ...
    def relabel_by_degree(self) -> tuple[NativeGraph, _Integers]: ...
    def run(
        self,
        name: str,
        options: Mapping[str, object],
        arrays: Mapping[str, object],
        threads: int | None,
    ) -> Outcome: ...
    def to_table(self, columns: Mapping[str, object]) -> Table: ...
    def export(self, path: Path, format: str, columns: Mapping[str, object]) -> None: ...
    def draw(self, path: Path, options: Mapping[str, object]) -> None: ...

@final
class Outcome:
    @property
    def columns(self) -> dict[str, _Numbers]: ...
    @property
    def facts(self) -> dict[str, int | float | bool]: ...
    @property
    def by_node(self) -> bool: ...
    def table(self, ids: object | None) -> Table: ...

@final
class Encoding:
    """A text, or a pair of texts, as tokens. All lists have one entry for each token."""

    @property
    def ids(self) -> list[int]:
        """The ids."""

    @property
    def tokens(self) -> list[str]:
        """The tokens as the vocabulary writes them."""

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Where each token begins and ends in its text; (0, 0) for special tokens and padding."""

    @property
    def attention_mask(self) -> list[int]:
        """1 for tokens, 0 for padding."""

    @property
    def type_ids(self) -> list[int]:
        """Which text of a pair a token belongs to, as the model counts them."""

    @property
    def special_tokens_mask(self) -> list[int]:
        """1 for special tokens and padding."""

    @property
    def word_ids(self) -> list[int | None]:
        """Which word of its text a token belongs to; `None` for special tokens and padding."""

    @property
    def sequence_ids(self) -> list[int | None]:
        """Which text a token comes from, 0 or 1; `None` for special tokens and padding."""

    @property
    def overflowing(self) -> list[Encoding]:
        """What truncation cut off, in parts of the same length."""

    def __len__(self) -> int: ...

@final
class NativeBatch:
    def __len__(self) -> int: ...
    def column(self, name: str) -> Array | ChunkedArray | None: ...
    def table(self) -> Table: ...
    def encoding(self, row: int) -> Encoding | None: ...

@final
class DecodeStream:
    """Turns ids into text one by one, as a model generates them.

    What it gives, put together, is the text of all ids. A character whose bytes are spread over several
    tokens comes with the last of them.
    """

    def step(self, id: int, /) -> str | None:
        """Take an id, and give the text that it adds; `None` when it has to wait for more.

        Raises:
            DataError: When no token has this id, which is then not taken.
            UsageError: After `finish`.
        """

    def finish(self) -> str | None:
        """Give the text of ids that still wait, as it is at the end of a text.

        Raises:
            UsageError: When it was called before.
        """

@final
class NativeCalibration:
    def __new__(cls, full: bool) -> NativeCalibration: ...
    @staticmethod
    def open(path: Path) -> NativeCalibration: ...
    def observe(
        self, layer: str, timestep: int | None, inputs: object, shape: Sequence[int] | None, weight: float
    ) -> None: ...
    def layers(self) -> list[str]: ...
    def timesteps(self) -> list[int]: ...
    def missing(self, layers: Sequence[str], timesteps: Sequence[int]) -> list[tuple[str, int]]: ...
    def table(self) -> Table: ...
    def save(self, path: Path) -> None: ...

@final
class NativeSchedule:
    @staticmethod
    def linear(timesteps: int, start: float, end: float, prediction: str) -> NativeSchedule: ...
    @staticmethod
    def scaled_linear(timesteps: int, start: float, end: float, prediction: str) -> NativeSchedule: ...
    @staticmethod
    def cosine(timesteps: int, prediction: str) -> NativeSchedule: ...
    @staticmethod
    def of_betas(betas: Sequence[float], prediction: str) -> NativeSchedule: ...
    @staticmethod
    def from_config(path: Path) -> NativeSchedule: ...
    def alpha_bars(self) -> npt.NDArray[np.float64]: ...
    def prediction(self) -> Literal["epsilon", "sample", "v_prediction"]: ...
    def reverse(
        self, timesteps: Sequence[int], eta: float
    ) -> tuple[list[float], list[float], list[float]]: ...

@final
class NativeModel:
    @staticmethod
    def open(path: Path) -> NativeModel: ...
    def tensors(self) -> Table: ...
    def names(self) -> list[str]: ...
    def metadata(self) -> list[tuple[pathlib.Path, dict[str, str]]]: ...
    def described(self, name: str) -> tuple[str, list[int]]: ...
    def read(self, name: str) -> npt.NDArray[Any]: ...

@final
class NativeQuantizedModel:
    @staticmethod
    def open(path: Path) -> NativeQuantizedModel: ...
    def tensors(self) -> Table: ...
    def names(self) -> list[str]: ...
    def metadata(self) -> dict[str, str]: ...
    def read(self, name: str, options: Mapping[str, object]) -> npt.NDArray[Any]: ...

@final
class NativeTokenizer:
    @staticmethod
    def from_file(path: Path) -> NativeTokenizer: ...
    @staticmethod
    def from_bytes(data: bytes | str) -> NativeTokenizer: ...
    @staticmethod
    def from_directory(path: Path) -> NativeTokenizer: ...
    @staticmethod
    def from_sentencepiece(path: Path) -> NativeTokenizer: ...
    @staticmethod
    def from_tiktoken(
        path: Path, pattern: str, special_tokens: Mapping[str, int] | None
    ) -> NativeTokenizer: ...
    @staticmethod
    def train(texts: object, options: Mapping[str, object]) -> NativeTokenizer: ...
    @staticmethod
    def from_pretrained(name: Path) -> NativeTokenizer: ...
    @property
    def backend(self) -> str: ...
    def json(self) -> bytes: ...
    def vocab_size(self, with_added_tokens: bool) -> int: ...
    def vocab(self) -> dict[str, int]: ...
    def special_tokens(self) -> dict[str, int]: ...
    def config(self) -> dict[str, Any]: ...
    def num_special_tokens(self, pair: bool) -> int: ...
    def token_to_id(self, token: str) -> int | None: ...
    def id_to_token(self, id: int) -> str | None: ...
    def truncation(self) -> dict[str, Any] | None: ...
    def padding(self) -> dict[str, Any] | None: ...
    def with_truncation(self, options: Mapping[str, object] | None) -> NativeTokenizer: ...
    def with_padding(self, options: Mapping[str, object] | None) -> NativeTokenizer: ...
    def encode(self, text: str, pair: str | None, options: Mapping[str, object]) -> Encoding: ...
    def encode_batch(self, texts: object, options: Mapping[str, object]) -> NativeBatch: ...
    def encode_padded(
        self, texts: object, options: Mapping[str, object]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]: ...
    def count(self, texts: object, options: Mapping[str, object]) -> Array: ...
    def decode(self, ids: object, skip_special_tokens: bool) -> str: ...
    def decode_batch(self, ids: object, options: Mapping[str, object]) -> Array: ...
    def decode_stream(self, skip_special_tokens: bool) -> DecodeStream: ...
    def apply_chat_template(
        self,
        messages: object,
        variables: Mapping[str, object],
        options: Mapping[str, object],
        now: tuple[int, int, int, int, int, int],
    ) -> str: ...
    def chunk(self, texts: object, options: Mapping[str, object]) -> Table: ...
    def encode_file(self, source: Paths, target: Path, options: Mapping[str, object]) -> int: ...
    def register(self, name: str) -> None: ...

def read(format: str, path: Paths, options: Mapping[str, object]) -> Table: ...
def read_async(format: str, path: Paths, options: Mapping[str, object]) -> Awaitable[Table]: ...
def scan(format: str, path: Paths, options: Mapping[str, object]) -> Frame: ...
def sql(query: str, tables: Mapping[str, AnyTable]) -> Frame: ...
def write(format: str, table: AnyTable, path: Path, options: Mapping[str, object]) -> None: ...
def write_async(
    format: str, table: AnyTable, path: Path, options: Mapping[str, object]
) -> Awaitable[None]: ...
def metadata(path: Paths) -> dict[str, Any]: ...
def metadata_async(path: Paths) -> Awaitable[dict[str, Any]]: ...

@final
class Document:
    @staticmethod
    def read(path: Path) -> Document: ...
    @staticmethod
    def of(fields: Mapping[str, Any]) -> Document: ...
    def problems(self, params: Mapping[str, Any] | None) -> list[dict[str, Any]]: ...
    def plan(self, params: Mapping[str, Any] | None) -> list[dict[str, Any]]: ...
    def run(
        self,
        params: Mapping[str, Any] | None,
        max_parallel: int | None,
        memory: int | str | None,
        keep: str | Sequence[str],
        observers: list[Callable[[Mapping[str, Any]], object]],
    ) -> Finished: ...
    def run_async(
        self,
        params: Mapping[str, Any] | None,
        max_parallel: int | None,
        memory: int | str | None,
        keep: str | Sequence[str],
        observers: list[Callable[[Mapping[str, Any]], object]],
    ) -> Awaitable[Finished]: ...

@final
class Finished:
    @property
    def exit_code(self) -> int: ...
    def report(self) -> dict[str, Any]: ...
    def output(self, step: str) -> Table | pathlib.Path: ...

def quantize(
    model: Path,
    out: Path,
    options: Mapping[str, object],
    on_progress: Callable[[str, int, int], object] | None,
) -> dict[str, Any]: ...
def quantize_async(
    model: Path,
    out: Path,
    options: Mapping[str, object],
    on_progress: Callable[[str, int, int], object] | None,
) -> Awaitable[dict[str, Any]]: ...
def validate_quantized(
    path: Path, model: Path | None, options: Mapping[str, object]
) -> tuple[Table, list[str]]: ...
def validate_quantized_async(
    path: Path, model: Path | None, options: Mapping[str, object]
) -> Awaitable[tuple[Table, list[str]]]: ...
def divergence_weights(
    outputs: Sequence[float], variances: Sequence[float], least_variance: float
) -> list[float]: ...
def path_kl(
    weights: Sequence[float], original: object, other: object, paths: int
) -> tuple[list[float], float]: ...
def categorical_kl(original: object, other: object, classes: int) -> npt.NDArray[np.float64]: ...
def uniform_groups(steps: int, groups: int) -> list[int]: ...
def clustered_groups(
    seen: NativeCalibration, layers: Sequence[str], timesteps: Sequence[int], groups: int
) -> list[int]: ...
def activation_ranges(
    seen: NativeCalibration,
    layers: Sequence[str],
    timesteps: Sequence[int],
    sizes: Sequence[int],
    options: Mapping[str, object],
) -> tuple[list[float], list[float]]: ...
def optimize_ranges(
    seen: NativeCalibration,
    layers: Sequence[str],
    timesteps: Sequence[int],
    sizes: Sequence[int],
    start: tuple[Sequence[float], Sequence[float]],
    options: Mapping[str, object],
) -> tuple[tuple[list[float], list[float]], list[float]]: ...
def ranges_loss(
    seen: NativeCalibration,
    layers: Sequence[str],
    timesteps: Sequence[int],
    sizes: Sequence[int],
    params: tuple[Sequence[float], Sequence[float]],
    options: Mapping[str, object],
) -> float: ...
def allocate_candidates(
    tensors: Sequence[Sequence[tuple[int, float]]], budget: int
) -> tuple[list[int], int, float, float, bool]: ...
def range_jumps(params: tuple[Sequence[float], Sequence[float]], groups: int) -> list[float]: ...
def round_activations(inputs: object, range: tuple[float, float], bits: int) -> npt.NDArray[np.float32]: ...
def pack_codes(codes: object, bits: int) -> npt.NDArray[np.uint8]: ...
def unpack_codes(packed: object, bits: int, count: int) -> npt.NDArray[np.uint8]: ...
def quantize_array(
    weights: object, shape: Sequence[int] | None, options: Mapping[str, object]
) -> dict[str, Any]: ...
def equalize_model(
    model: Path,
    out: Path,
    couples: Sequence[tuple[Sequence[str], Sequence[str]]],
    calibration: Path,
    strength: float,
) -> tuple[list[list[float]], list[int]]: ...
def equalize_model_async(
    model: Path,
    out: Path,
    couples: Sequence[tuple[Sequence[str], Sequence[str]]],
    calibration: Path,
    strength: float,
) -> Awaitable[tuple[list[list[float]], list[int]]]: ...
@overload
def dequantize_array(
    shape: Sequence[int], parts: Sequence[object], options: Mapping[str, object], out: None
) -> npt.NDArray[Any]: ...
@overload
def dequantize_array(
    shape: Sequence[int], parts: Sequence[object], options: Mapping[str, object], out: npt.NDArray[Any]
) -> None: ...
def quantize_table(table: AnyTable, options: Mapping[str, object]) -> Table: ...
def dequantize_table(table: AnyTable, options: Mapping[str, object]) -> Table: ...
def byte_size(name: str, size: int | str) -> int: ...
def register_step(
    name: str,
    description: str,
    schema: Mapping[str, Any],
    positional: bool,
    function: Callable[..., AnyTable],
) -> None: ...
def cli(args: Sequence[str]) -> int: ...
