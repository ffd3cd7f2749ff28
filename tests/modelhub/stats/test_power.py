"""Planning: a simulated study is tested as the report tests a real one."""

import pytest

from modelhub.stats.power import PowerDesign, simulate_power


def power(participants: int, prompts: int, difference: float, *, shared: bool = False) -> float:
    design = PowerDesign(participants, prompts, difference, shared_prompts=shared)
    return simulate_power(design, simulations=400).power


def test_the_size_of_the_published_study_finds_small_differences_seldom() -> None:
    assert 0.12 <= power(8, 18, 0.26) <= 0.29
    assert 0.32 <= power(8, 18, 0.43) <= 0.62


def test_forty_participants_with_ten_prompts_find_a_quarter_point() -> None:
    assert power(40, 10, 0.26) > 0.65


@pytest.mark.parametrize("shared", [False, True])
def test_without_a_difference_the_power_is_the_level(shared: bool) -> None:
    assert power(12, 10, 0, shared=shared) < 0.09


def test_shared_prompts_leave_less_power_than_as_many_prompts_of_ones_own() -> None:
    own = simulate_power(PowerDesign(40, 10, 0.4, sd_prompts=0.6), simulations=200)
    shared = simulate_power(PowerDesign(40, 10, 0.4, sd_prompts=0.6, shared_prompts=True), simulations=200)
    pool = simulate_power(PowerDesign(40, 10, 0.4, sd_prompts=0.6, pool=30), simulations=200)
    assert own.power > pool.power > shared.power
    assert own.power_limit is None
    assert shared.power_limit == pytest.approx(0.47, abs=0.01)


@pytest.mark.parametrize(
    ("design", "why"),
    [
        (PowerDesign(30, 5, 2.0, shared_prompts=True), "5 shared prompts cannot reject at 0.05, however many part"),
        (PowerDesign(30, 5, 2.0, pool=5), "5 shared prompts cannot reject"),
        (PowerDesign(5, 50, 2.0), "5 participants cannot reject at 0.05, however many prompts"),
    ],
)
def test_a_plan_that_no_data_can_fulfil_is_called_so(design: PowerDesign, why: str) -> None:
    found = simulate_power(design, simulations=30)
    assert found.power == 0
    assert why in found.impossible
    assert found.smallest_p == 0.0625


def test_a_margin_adds_the_power_to_show_non_inferiority() -> None:
    found = simulate_power(PowerDesign(30, 10, 0.3, margin=0.5), simulations=50)
    assert found.non_inferiority_power is not None
    assert found.non_inferiority_power > 0.9


@pytest.mark.parametrize(
    ("design", "message"),
    [(PowerDesign(1, 10, 0.3), "two participants"), (PowerDesign(8, 10, 0.3, pool=9), "a pool holds at least")],
)
def test_impossible_designs_are_refused(design: PowerDesign, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_power(design)
