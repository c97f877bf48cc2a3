"""Batches: every row once, within the budget, and no more padding than it is worth."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core.gradients.batching import LARGE, SMALL_SHARE, allowed_padding, micro_batches
from gradiend_core.gradients.threads import choose_threads


@given(
    st.lists(st.integers(1, 60), max_size=120),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 20)),
    st.integers(60, 5000),
    st.sampled_from([0.0, 20.0, 300.0, float("inf")]),
)
def test_every_row_is_in_one_batch_that_keeps_the_limits(lengths, same_length, most, budget, padding):
    batches = list(micro_batches(lengths, same_length=same_length, most=most, budget=budget, padding=padding))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    for rows in batches:
        own = [lengths[row] for row in rows]
        assert len(own) * max(own) <= budget
        assert most is None or len(own) <= most
        assert not same_length or len(set(own)) == 1
        # the last row came when the batch was large already: without it, so little was padding that it was
        # not ended
        before = own[:-1]
        if sum(before) >= LARGE:
            wasted = len(own) * own[-1] - sum(own)
            assert wasted <= max(padding, SMALL_SHARE * len(own) * own[-1])


def test_a_large_model_allows_less_padding_and_an_accelerator_any():
    small, large = torch.nn.Linear(10, 10), torch.nn.Linear(5000, 5000)
    assert (
        allowed_padding(small, torch.device("cpu")) > 1000 > 10 > allowed_padding(large, torch.device("cpu"))
    )
    assert allowed_padding(large, torch.device("cuda")) == float("inf")
    lengths = [length for length in range(8, 30) for _ in range(9)]
    padded = {
        allowed: sum(
            len(rows) * max(lengths[row] for row in rows) for rows in micro_batches(lengths, padding=allowed)
        )
        for allowed in (6.0, float("inf"))
    }
    assert padded[6.0] < 1.06 * sum(lengths) < padded[float("inf")]
    with pytest.raises(StopIteration):
        next(micro_batches([]))


def test_one_thread_is_taken_only_where_more_are_much_slower(monkeypatch):
    cpu, threads = torch.device("cpu"), [4]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: threads.__setitem__(0, count))
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def trial_with(slow: float):
        def trial() -> None:
            now[0] += slow if threads[0] > 1 else 1.0

        return trial

    assert choose_threads(0, trial_with(0.5), cpu) == ""
    assert threads == [4]
    assert choose_threads(0, trial_with(1.2), cpu) == ""
    assert threads == [4]
    assert "one thread was 5.0 times as fast as 4 here" in choose_threads(0, trial_with(5.0), cpu)
    assert threads == [1]
    assert choose_threads(3, trial_with(5.0), cpu) == ""
    assert threads == [3]
    threads[0] = 4
    assert choose_threads(0, trial_with(5.0), torch.device("cuda")) == ""
    assert threads == [4]
