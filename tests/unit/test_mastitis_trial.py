"""The simulated herds reproduce the rules they are made from, and the score does no worse than the rules there."""

from datetime import timedelta

import pytest

import mastitis_trial
from mastitis_trial import WORLDS, at_specificity, draw, rule_ratios, wilson

COW_DAYS = WORLDS[0]


@pytest.fixture(scope="module")
def trial():
    """Scores, ratios and illness of the rows that count, of one small herd of cow-days."""
    rows = draw(COW_DAYS, 60, 100, seed=11)
    scores = [verdict.score for verdict in mastitis_trial.verdicts([drawn.row for drawn in rows])]
    ratios = [conductivity for conductivity, _milk in rule_ratios(rows)]
    start = mastitis_trial.BEGIN + timedelta(days=mastitis_trial.WARM_UP_DAYS)
    counted = [i for i, drawn in enumerate(rows) if drawn.row.milking.at >= start]
    return [scores[i] for i in counted], [ratios[i] for i in counted], [rows[i].ill for i in counted]


def test_the_rule_of_110_per_cent_is_as_specific_as_it_is_known_to_be(trial):
    _scores, ratios, ill = trial
    healthy = [ratio for ratio, i in zip(ratios, ill, strict=True) if not i]
    assert sum(ratio < 1.10 for ratio in healthy) / len(healthy) == pytest.approx(0.96, abs=0.02)


def test_at_the_same_specificity_the_score_finds_more_than_the_ratio(trial):
    scores, ratios, ill = trial
    assert at_specificity(scores, ill, 0.96)[1] > at_specificity(ratios, ill, 0.96)[1]


def test_the_order_of_healthy_and_ill_is_not_one_of_ties(trial):
    scores, _ratios, _ill = trial
    assert len({round(score, 6) for score in scores}) > 0.99 * len(scores)


def test_no_more_healthy_rows_are_alarms_than_the_specificity_allows():
    threshold, hits, alarms = at_specificity([1, 2, 3, 4, 5, 5, 9], [False] * 6 + [True], 0.5)
    assert (threshold > 3, hits, alarms) == (True, 1, 3)


def test_an_alert_is_a_first_warning_or_a_first_critical_one_until_six_milkings_were_calm():
    def told(*scores):
        return mastitis_trial.alerts(mastitis_trial.Outcome(["1"] * len(scores), list(scores), [], []))

    assert told(40, 66, 70, 60, 66) == 1
    assert told(66, 90, 66, 90) == 2
    assert told(66, *[40] * 5, 66) == 1
    assert told(66, *[40] * 6, 66) == 2


def test_wilsons_interval_is_the_published_one():
    """81 of 263 (Newcombe 1998, Statist. Med. 17:857, table I): 0.2553 to 0.3662."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
