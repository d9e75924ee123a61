"""Train the example's tokenizer on the descriptions of the packages.

    python make_tokenizer.py

Needs pyarrow and tokenizers.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

DATA = Path(__file__).parent / "data"


def main() -> None:
    descriptions = pq.read_table(DATA / "packages.parquet", columns=["description"])["description"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(descriptions.to_pylist(), trainer)
    tokenizer.save(str(DATA / "tokenizer.json"), pretty=False)


if __name__ == "__main__":
    main()
