import numpy as np
import pytest
from scipy import stats

from evaluation.statistics import Published, read_published, turned_from_published
from medseg_demo.errors import OptionError


def test_the_form_of_a_paper():
    assert read_published("nnU-Net: 2d:0.91±0.05/50") == Published("nnU-Net: 2d", 0.91, 0.05, 50)
    assert read_published("A: 91.2 +- 5 / 50") == Published("A", 91.2, 5.0, 50)


@pytest.mark.parametrize("text", ["A", "A:0.9/50", "A:0.9±0.1/1", "A:0.9±-0.1/20"])
def test_another_form_is_refused(text):
    with pytest.raises(OptionError, match="such as"):
        read_published(text)


def test_it_is_the_one_sided_paired_t_test_of_scores_with_these_figures():
    """The same figures from scores: the posterior under a flat prior is the t-test's one-sided p-value."""
    generator = np.random.default_rng(2)
    one = generator.normal(0.8, 0.1, 30)
    other = 0.6 * one + generator.normal(0.31, 0.08, 30)
    first, second = (Published(name, x.mean(), x.std(ddof=1), 30) for name, x in (("a", one), ("b", other)))
    found = turned_from_published(first, second, correlation=np.corrcoef(one, other)[0, 1])
    p = stats.ttest_rel(one, other).pvalue / 2
    assert found == pytest.approx(p, rel=1e-9)


def test_more_cases_and_more_alike_methods_make_a_ranking_surer():
    a, b = Published("a", 0.91, 0.05, 50), Published("b", 0.90, 0.06, 50)
    loose, close = (turned_from_published(a, b, correlation=one) for one in (0.0, 0.9))
    # (0.01 · √50) / √(0.05² + 0.06²) = 0.905 and, with r = 0.9, 2.673; Student's t with 49 degrees of freedom
    assert (loose, close) == (
        pytest.approx(stats.t.sf(0.9054, 49), abs=1e-4),
        pytest.approx(stats.t.sf(2.6726, 49), abs=1e-4),
    )
    assert turned_from_published(a, Published("b", 0.91, 0.06, 50)) == 0.5


def test_other_numbers_of_cases_are_refused():
    with pytest.raises(OptionError, match="50 cases and b 40"):
        turned_from_published(Published("a", 0.9, 0.1, 50), Published("b", 0.8, 0.1, 40))
