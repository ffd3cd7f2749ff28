"""Which rows are found: the best by score and then by key, where prompts repeat and rows may not find themselves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelhub.retrieval.collection import Collection, Embeddings
from modelhub.retrieval.search import Nearest
from modelhub.retrieval.splits import PromptRow


@given(st.lists(st.integers(0, 4), min_size=2, max_size=25), st.data())
@settings(max_examples=80, deadline=None)
def test_rows_with_repeated_prompts_are_found_in_the_order_of_score_and_key_but_for_the_own(
    prompts: list[int], data: st.DataObject
) -> None:
    import torch

    # One pair may stand in two splits: its two rows have one key.
    keys = data.draw(st.lists(st.integers(0, len(prompts) // 2), min_size=len(prompts), max_size=len(prompts)))
    rows = [
        PromptRow("two" if key in keys[:place] else "one", place, f"{key:02d}", f"prompt {prompt}")
        for place, (key, prompt) in enumerate(zip(keys, prompts, strict=True))
    ]
    collection = Collection.of(rows)
    # Prompts 3 and 4 score alike.
    scores = {f"prompt {prompt}": float(min(prompt, 3)) for prompt in prompts}
    tokens = np.array([[scores[prompt]] for prompt in collection.prompts], dtype=np.float32)
    nearest = Nearest(collection, Embeddings(tokens, np.ones(len(tokens), dtype=np.int64)))
    asked = sorted({f"{key:02d}" for key in keys})
    left = {key: [place for place, row in enumerate(collection.rows) if row.key != key] for key in ["", *asked]}
    k = data.draw(st.integers(1, max(1, min(map(len, left.values())))))
    wanted = [key for key in left if len(left[key]) >= k]
    found = nearest.search(torch.ones((len(wanted), 1, 1)), wanted, k)
    for key, rows_found in zip(wanted, found, strict=True):
        expected = sorted(left[key], key=lambda place: (-scores[collection.rows[place].prompt], place))[:k]
        assert [one.row for one in rows_found] == expected


def test_of_rows_that_are_equally_near_those_with_the_smallest_keys_are_found_whichever_prompts_they_have() -> None:
    import torch

    rows = [PromptRow("one", place, f"{place}", prompt) for place, prompt in enumerate("ABBA")]
    tokens = np.ones((2, 1), dtype=np.float32)
    nearest = Nearest(Collection.of(rows), Embeddings(tokens, np.ones(2, dtype=np.int64)))
    for k in (1, 3):
        (found,) = nearest.search(torch.ones((1, 1, 1)), [""], k)
        assert [one.row for one in found] == list(range(k))
