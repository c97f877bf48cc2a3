"""Batches: every row once, within the budget, at the least cost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core.gradients.batching import ALONE, FEWEST, NONE, batch_cost, micro_batches
from gradiend_core.gradients.threads import choose_threads


def split_everywhere(lengths: list[int]) -> Iterator[list[list[int]]]:
    """Every way to cut a list."""
    for cuts in product([False, True], repeat=max(0, len(lengths) - 1)):
        batches = [lengths[:1]]
        for cut, length in zip(cuts, lengths[1:], strict=True):
            batches.append([length]) if cut else batches[-1].append(length)
        yield batches


@given(
    st.lists(st.integers(1, 60), max_size=120),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 20)),
    st.integers(60, 5000),
    st.sampled_from([0.0, 20.0, 300.0, FEWEST]),
)
def test_every_row_is_in_one_batch_that_keeps_the_limits(lengths, same_length, most, budget, cost):
    batches = list(micro_batches(lengths, same_length=same_length, most=most, budget=budget, cost=cost))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    for rows in batches:
        of_rows = [lengths[row] for row in rows]
        assert len(of_rows) * max(of_rows) <= budget
        assert most is None or len(of_rows) <= most
        assert not same_length or len(set(of_rows)) == 1


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=9),
    st.one_of(st.none(), st.integers(1, 5)),
    st.integers(30, 100),
    st.sampled_from([0.0, 7.0, 40.0, FEWEST]),
)
def test_no_other_batches_cost_less(lengths, most, budget, cost):
    def total(batches: list[list[int]]) -> float:
        return sum(cost + len(batch) * max(batch) for batch in batches)

    def allowed(batches: list[list[int]]) -> bool:
        return all(
            len(batch) * max(batch) <= budget and len(batch) <= (most or len(lengths)) for batch in batches
        )

    taken = micro_batches(lengths, most=most, budget=budget, cost=cost)
    least = min(total(batches) for batches in split_everywhere(sorted(lengths)) if allowed(batches))
    assert total([[lengths[row] for row in rows] for rows in taken]) == least


def test_models_that_see_padding_or_other_examples_have_batches_of_one_length_or_one_example():
    lengths = [7, 3, 7, 3, 3, 9]
    assert list(micro_batches(lengths, cost=NONE)) == [[1, 3, 4], [0, 2], [5]]
    assert list(micro_batches(lengths, cost=ALONE)) == [[1], [3], [4], [0], [2], [5]]
    assert list(micro_batches([])) == []
    assert list(micro_batches([200], budget=100)) == [[0]], "a text longer than the budget is alone"


def test_a_batch_of_a_small_model_costs_more_of_its_tokens_and_of_an_accelerator_the_most():
    small, large = torch.nn.Linear(10, 10), torch.nn.Linear(5000, 5000)
    cpu = torch.device("cpu")
    assert batch_cost(small, cpu) > 1000 > 100 > batch_cost(large, cpu) > 0
    assert batch_cost(large, torch.device("cuda")) == FEWEST
    lengths = [length for length in range(8, 30) for _ in range(9)]
    padded = {
        cost: sum(len(rows) * max(lengths[row] for row in rows) for rows in micro_batches(lengths, cost=cost))
        for cost in (64.0, FEWEST)
    }
    assert padded[64.0] < 1.1 * sum(lengths) < padded[FEWEST]


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
