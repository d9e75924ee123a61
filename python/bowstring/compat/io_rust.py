"""The calls of the earlier `io_rust`."""

from __future__ import annotations

from typing import Any

import bowstring as bs
from bowstring._tables import Path


class RustIOEngine:
    """Reads files into tables."""

    def read_parquet(self, path: Path, **options: Any) -> bs.Table:  # noqa: ANN401 - those of read_parquet
        """Read Parquet; `options` are those of `bowstring.read_parquet`."""
        return bs.read_parquet(path, **options)

    def read_csv(self, path: Path, **options: Any) -> bs.Table:  # noqa: ANN401 - those of read_csv
        """Read CSV; `options` are those of `bowstring.read_csv`."""
        return bs.read_csv(path, **options)

    def get_parquet_metadata(self, path: Path) -> dict[str, Any]:
        """Read the footer of a Parquet file, as a mapping of `bowstring.ParquetMetadata`'s attributes.

        `schema` maps the columns' names to the names of their types, and `statistics` has a mapping for
        each column.
        """
        metadata = bs.parquet_metadata(path)
        return {
            "num_rows": metadata.num_rows,
            "num_row_groups": metadata.num_row_groups,
            "num_columns": metadata.num_columns,
            "size_bytes": metadata.size_bytes,
            "created_by": metadata.created_by,
            "schema": {name: str(metadata.schema.field(name).type) for name in metadata.schema.names},
            "key_value_metadata": dict(metadata.key_value_metadata),
            "row_groups": [
                {
                    "num_rows": group.num_rows,
                    "total_byte_size": group.total_byte_size,
                    "compressed_size": group.compressed_size,
                }
                for group in metadata.row_groups
            ],
            "statistics": {
                name: {
                    "min": known.min,
                    "max": known.max,
                    "null_count": known.null_count,
                    "distinct_count": known.distinct_count,
                }
                for name, known in metadata.statistics.items()
            },
        }


def is_rust_io_available() -> bool:
    """Say that the readers are there: without them this module could not be imported."""
    return True
