"""Intervals against scipy, hand-worked numbers and theory."""

import numpy as np
import pytest
from scipy import stats

from masklens import intervals
from masklens.intervals import (
    bootstrap,
    design_effect,
    group_weights,
    proportion,
    resample,
    sign_flip,
    student,
    wilson,
)


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (8, 10), (276, 276), (3, 164)])
def test_wilson_is_scipys(hits, total):
    expected = stats.binomtest(hits, total).proportion_ci(method="wilson")
    assert wilson(hits, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_by_hand():
    # 8 of 10, z = 1.96: centre (0.8 + 0.19207) / 1.38415, half-width 0.22656.
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_of_nothing_everything_is_possible():
    assert wilson(0, 0) == (0.0, 1.0)
    empty = proportion(np.zeros(0, bool), np.zeros(0, int))
    assert np.isnan(empty.value)
    assert empty.to_dict()["value"] is None


@pytest.mark.parametrize("freedom", [1, 1.5, 2, 3.7, 10, 100, 5000, 1e6, 1e9])
def test_students_quantile_is_scipys(freedom):
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-4)


def test_fewer_than_one_degree_of_freedom_count_as_one():
    assert student(0.3) == student(0.0) == student(1.0)


def rough(groups):
    """By what an effect that so many equal groups show is multiplied: (t / z)²."""
    return float(stats.t.ppf(0.975, groups - 1) / stats.norm.ppf(0.975)) ** 2


def test_design_effect_by_hand():
    # Groups of two, all alike: four right pairs and four wrong ones. The ratio's variance is
    # 8/7 · 8 · 1 / 256 = 1/28, the binomial one 0.25 / 16; their ratio is 16/7.
    hits, totals = np.array([2.0] * 4 + [0.0] * 4), np.full(8, 2.0)
    assert design_effect(hits, totals) == pytest.approx(16 / 7 * rough(8))
    empty = np.zeros(5)  # groups without such a face
    both = np.append(hits, empty), np.append(totals, empty)
    assert design_effect(*both) == pytest.approx(16 / 7 * rough(8))


def test_a_large_group_that_happens_to_be_right_does_not_hide_how_alike_groups_are():
    # One of ten pairs is wrong, nine pairs and a crowd of 20 are right: no two faces of a group
    # disagree, so that each counts as one face. A face is in a group of (10 · 4 + 400) / 40 = 11 on
    # average: 40 faces are worth 40 / 11, and the variance over groups alone says less than 2.
    hits, totals = np.array([0.0] + [2.0] * 9 + [20.0]), np.array([2.0] * 10 + [20.0])
    assert design_effect(hits, totals) == pytest.approx(11 * rough(40 / 11), rel=1e-6)


def test_of_one_group_nothing_is_known_of_others():
    estimate = proportion(np.arange(20) < 18, np.zeros(20, int))
    assert estimate.low < 0.02
    assert estimate.high > 0.98


def test_the_interval_is_that_of_the_sample_size_which_the_effect_leaves():
    hits, groups = np.arange(60) % 7 > 0, np.arange(60) // 4
    estimate = proportion(hits, groups)
    left = 60 / estimate.design_effect
    assert (estimate.low, estimate.high) == pytest.approx(wilson(hits.mean() * left, left))


def some_shares(times):
    """Faces of unequal groups, more or less alike, right with different chances: hits, groups."""
    rng = np.random.default_rng(4)
    for _ in range(times):
        sizes = rng.choice([1, 1, 2, 3, 8, 30], rng.integers(1, 40))
        chance = rng.beta(*rng.choice([0.2, 1, 6], 2), len(sizes))
        groups = np.repeat(np.arange(len(sizes)), sizes)
        yield rng.random(len(groups)) < chance[groups], groups


def test_no_interval_is_narrower_than_that_of_the_variance_over_groups_alone():
    """Wilson's at the design effect of Rao and Scott, as before; nor than Wilson's of the faces."""
    for hits, groups in some_shares(300):
        right, totals = np.bincount(groups, hits), np.bincount(groups)
        share, n, count = hits.mean(), len(hits), len(totals)
        effect = 1.0
        if 0 < share < 1 and count > 1:
            residuals = right - share * totals
            effect = count / (count - 1) * (residuals**2).sum() / n / (share * (1 - share))
        left = n / max(1.0, effect)
        low, high = wilson(share * left, left)
        estimate = proportion(hits, groups)
        assert estimate.low <= low + 1e-12
        assert estimate.high >= high - 1e-12
        assert estimate.low <= wilson(share * n, n)[0] + 1e-12


def test_what_counts_as_a_hit_only_turns_the_interval():
    for hits, groups in some_shares(100):
        a, b = proportion(hits, groups), proportion(~hits, groups)
        assert (a.low, a.high) == pytest.approx((1 - b.high, 1 - b.low), abs=1e-9)


@pytest.mark.parametrize("size", [1, 4])
def test_more_right_groups_raise_both_ends(size):
    groups = np.repeat(np.arange(30), size)
    each = [proportion(groups < right, groups) for right in range(31)]
    assert np.all(np.diff([e.low for e in each]) >= 0)
    assert np.all(np.diff([e.high for e in each]) >= 0)


def test_groups_widen_an_interval_and_single_faces_do_not():
    hits = np.repeat([True, False, True, True], 10)
    alone = proportion(hits, np.arange(40))
    assert (alone.low, alone.high) == wilson(30, 40)
    together = proportion(hits, np.repeat(np.arange(4), 10))
    assert together.low < alone.low
    assert together.high > alone.high
    assert together.value == alone.value == 0.75


def test_an_interval_is_never_narrower_than_wilsons():
    # Each group holds one right and one wrong: less spread than chance would give.
    estimate = proportion(np.tile([True, False], 20), np.repeat(np.arange(20), 2))
    assert estimate.design_effect == pytest.approx(rough(20))
    assert estimate.low <= wilson(20, 40)[0]
    assert estimate.high >= wilson(20, 40)[1]


@pytest.mark.parametrize("errors", [0, 1])
def test_a_share_with_few_errors_is_bounded_by_its_groups(errors):
    hits = np.arange(100) >= errors
    pairs = proportion(hits, np.arange(100) // 2)
    assert (pairs.low, pairs.method) == (wilson(50, 50)[0], "wilson bound")
    none = proportion(~hits, np.arange(100) // 2)
    assert (none.high, none.method) == (wilson(0, 50)[1], "wilson bound")
    alone = proportion(hits, np.arange(100))
    assert (alone.low, alone.method) == (wilson(100 - errors, 100)[0], "wilson")


@pytest.mark.parametrize("likeness", [0.0, 0.5, 1.0])
def test_the_interval_of_a_high_share_holds_it_however_alike_groups_are(likeness):
    """Groups of five whose members are all alike with some chance; 97 % are right."""
    rng, groups, inside = np.random.default_rng(0), np.repeat(np.arange(50), 5), 0
    for _ in range(600):
        alike = np.repeat(rng.random(50) < likeness, 5)
        hits = np.where(alike, np.repeat(rng.random(50), 5), rng.random(250)) < 0.97
        estimate = proportion(hits, groups)
        inside += estimate.low <= 0.97 <= estimate.high
    assert inside / 600 >= 0.93


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("alike", [0.1, 0.5, 0.9])
def test_the_interval_holds_the_share_where_few_large_groups_weigh_most(share, alike):
    """As the variance over groups alone does in only 69 to 94 of a hundred such cases."""
    rng, inside = np.random.default_rng(0), 0
    spread = (1 - alike) / alike
    for _ in range(400):
        groups = np.repeat(np.arange(100), rng.choice([1, 1, 1, 2, 20], 100))
        chance = rng.beta(share * spread, (1 - share) * spread, 100)
        estimate = proportion(rng.random(len(groups)) < chance[groups], groups)
        inside += estimate.low <= share <= estimate.high
    assert inside / 400 >= 0.93


def test_weights_draw_every_group_once_on_average():
    weights = group_weights(50, 400)
    assert weights.shape == (400, 50)
    assert np.all(weights.sum(axis=1) == 50)
    assert weights.mean() == 1
    assert np.array_equal(weights, group_weights(50, 400))


def test_of_many_groups_few_resamples_are_numbers_at_a_time():
    """As numbers at once, those of 30,000 portraits took 1.5 GB."""
    weights, sizes = group_weights(20_000, 300), []

    def mean(drawn):
        sizes.append(drawn.size)
        return drawn.mean(axis=1)

    assert weights.nbytes == weights.size
    assert np.array_equal(resample(mean, weights), np.ones(300))
    assert sum(sizes) == weights.size
    assert max(sizes) == 125 * 20_000


def test_bootstrap_of_a_mean_agrees_with_scipy():
    values = np.random.default_rng(1).gamma(2, size=300)
    estimate = bootstrap(
        values.mean(), lambda w: (w @ values) / w.sum(axis=1), group_weights(300, 4000)
    )
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(2)
    ).confidence_interval
    spread = values.std() / np.sqrt(300)
    assert abs(estimate.low - expected.low) < 0.15 * spread
    assert abs(estimate.high - expected.high) < 0.15 * spread


def test_bootstrap_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(3)
    weights = group_weights(60, 400)
    inside = 0
    for _ in range(300):
        values = rng.normal(size=60)
        e = bootstrap(values.mean(), lambda w, v=values: (w @ v) / w.sum(axis=1), weights)
        inside += e.low <= 0 <= e.high
    assert 0.90 <= inside / 300 <= 0.98


def test_a_faultless_score_is_not_certain():
    def always_one(weights):
        return np.ones(len(weights))

    estimate = bootstrap(1.0, always_one, group_weights(30, 100), support=30)
    assert (estimate.low, estimate.high) == (wilson(30, 30)[0], 1.0)
    assert estimate.method == "wilson bound"


def test_no_figure_is_nothing_for_certain():
    def always(value):
        return lambda weights: np.full(len(weights), value)

    error = bootstrap(0.0, always(0.0), group_weights(12, 100), support=12)
    assert (error.low, error.high, error.method) == (0.0, wilson(0, 12)[1], "wilson bound")
    # All twelve are right, stated as 0.9: they may be right nine times of ten.
    calibration = bootstrap(0.1, always(0.1), group_weights(12, 100), support=12, pushed_up=True)
    assert (calibration.low, calibration.high) == (0.0, wilson(0, 12)[1])
    correlation = bootstrap(-0.5, always(-0.5), group_weights(12, 100), support=12)
    assert (correlation.low, correlation.high) == tuple(-end for end in wilson(6, 12)[::-1])


def test_a_correlation_below_zero_stays_there():
    """The bound of shares without errors is none of its upper end."""
    draws = np.linspace(-0.6, -0.4, 101)
    correlation = bootstrap(-0.5, lambda w: draws, group_weights(12, 101), support=12)
    assert (correlation.low, correlation.high) == pytest.approx((-0.595, -0.405))
    assert correlation.method == "bootstrap"


def test_a_figure_that_does_not_vary_is_not_certain():
    """Balanced accuracy of a model that gives one label: one recall is 1 and one 0, always."""
    balanced = bootstrap(0.5, lambda w: np.full(len(w), 0.5), group_weights(20, 100), support=10)
    assert (balanced.low, balanced.high, balanced.method) == (*wilson(5, 10), "wilson bound")


@pytest.mark.parametrize("value", [0.015, 0.2, 0.923, 0.999])
@pytest.mark.parametrize("support", [1, 3, 12])
def test_of_one_photograph_no_end_is_the_figure_itself(value, support):
    """Its F1 is the same in every resample: 0.923 was between 0.207 and 0.923."""
    figure = bootstrap(
        value, lambda w: np.full(len(w), value), group_weights(1, 50), support=support
    )
    assert (figure.low, figure.high) == wilson(value * support, support)
    assert figure.low < value < figure.high
    error = bootstrap(
        value,
        lambda w: np.full(len(w), value),
        group_weights(1, 50),
        support=support,
        pushed_up=True,
    )
    assert error.high > value


def test_the_interval_of_a_figure_that_is_pushed_up_holds_it_and_stays_above_zero():
    """Draws of 0.05 and 0.06 of a figure of 0.05: about 0.01 too high, twice for the lower end."""

    def pushed_up(weights):
        return 0.05 + 0.01 * weights[:, 0]

    few = bootstrap(0.01, pushed_up, group_weights(9, 200), pushed_up=True)
    assert few.low == 0
    assert few.high >= 0.01
    bias = pushed_up(group_weights(9, 200)).mean() - 0.05
    many = bootstrap(0.05, pushed_up, group_weights(9, 200), pushed_up=True)
    assert many.low == pytest.approx(0.05 - 2 * bias)
    assert many.high == pytest.approx(0.05 + 0.01 * 3 - bias, abs=0.01)


def test_resamples_without_what_they_need_are_left_out():
    def sometimes(weights):
        return np.where(weights[:, 0] > 0, 0.5, np.nan)

    assert bootstrap(0.5, sometimes, group_weights(5, 100)).low == 0.5
    nothing = bootstrap(0.5, lambda w: np.full(len(w), np.nan), group_weights(5, 100))
    assert np.isnan(nothing.low)


def of_right(a, b, groups=None):
    """B's right items minus A's as a function of signs, and the number of groups."""
    gained = b.astype(float) - a if groups is None else np.bincount(groups, b.astype(float) - a)
    return lambda signs: signs @ gained, len(gained)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (0, 5), (0, 6), (1, 9), (3, 3), (2, 10)])
def test_with_an_item_per_group_the_sign_flip_test_is_mcnemars(only_a, only_b):
    a = np.array([True] * 20 + [True] * only_a + [False] * only_b)
    b = np.array([True] * 20 + [False] * only_a + [True] * only_b)
    expected = stats.binomtest(only_a, only_a + only_b).pvalue
    assert sign_flip(*of_right(a, b)) == pytest.approx(expected, abs=1e-12)
    assert sign_flip(*of_right(a, a)) == 1


def test_with_many_groups_flips_are_drawn():
    a = np.array([True] * 8 + [False] * 22)
    expected = stats.binomtest(8, 30).pvalue
    assert sign_flip(*of_right(a, ~a)) == pytest.approx(expected, abs=0.004)


def test_drawn_flips_never_say_that_chance_is_impossible():
    # What was seen is one of the ways; of 2**30 others no draw is as uneven (Phipson, Smyth 2010).
    assert sign_flip(lambda signs: signs @ np.ones(30), 30, flips=999) == 1 / 1000


def test_few_groups_that_differ_are_found_among_many():
    for places in ([0, 1, 2, 3, 4, 5], [0, 249, 250, 251, 499, 599]):
        gained = np.zeros(600)
        gained[places] = 1
        assert sign_flip(lambda signs, gained=gained: signs @ gained, 600) == 2 / 2**6


def test_the_unit_of_a_difference_changes_nothing():
    """Shares have no exact sums, and ways that give the same difference again must still count."""
    points = np.array([1.0, 2, 3, -4, 5, 6, -3])
    expected = sign_flip(lambda signs: signs @ points, 7)
    shares = points / 100
    assert sign_flip(lambda signs: (signs * shares).sum(axis=1), 7) == expected


def test_faces_of_one_group_are_exchanged_together():
    a, b = np.zeros(12, bool), np.arange(12) < 6
    assert sign_flip(*of_right(a, b)) < 0.05
    assert sign_flip(*of_right(a, b, np.repeat([0, 1], 6))) == 1  # all six are of one photograph
    # Scipy's permutation test of paired samples does the same.
    gained = np.array([2.0, -1.0, 3.0, 1.0, 1.0, 0.0, 2.0])
    expected = stats.permutation_test(
        (gained, np.zeros(7)), lambda x, y, axis: np.sum(x - y, axis), permutation_type="samples",
        vectorized=True,
    ).pvalue  # fmt: skip
    assert sign_flip(lambda signs: signs @ gained, 7) == pytest.approx(expected)


def test_flips_without_what_they_need_count_as_large():
    def lost(signs):
        return np.where(signs[:, 0] > 0, signs @ np.ones(7), np.nan)

    assert sign_flip(lost, 7) == 1 / 64  # the first group stays as it is


def test_the_confidence_is_95_per_cent():
    assert intervals.CONFIDENCE == 0.95
    assert pytest.approx(1.959964, abs=1e-6) == intervals._Z
