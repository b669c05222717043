# ruff: noqa: E501  A mistake and its text read best on one line.
"""What lanes, budgets and weights say; and every mistake in them, with its line."""

from decimal import Decimal

import pytest

from config.presets import PRESETS
from config.routes import RouteTable, load_routes
from headrace.errors import ConfigurationError
from headrace.limits.rate import Rate
from headrace.routing import Lane
from tests.config.route_texts import INVOICES, LETTERS

LANE = '[[lanes]]\nprovider = "nanonets"\nmodel = "m1"\n'
LOCAL_LANE = '[[lanes]]\nprovider = "local"\n'
BUDGET = '[[budgets]]\nname = "daily"\nroute = "invoices"\nperiod = "day"\n'
OF_ACCOUNT = BUDGET.replace('route = "invoices"', 'account = "nanonets"')


@pytest.fixture
def loaded(tmp_path):
    def load(text: str) -> RouteTable:
        path = tmp_path / "headrace.toml"
        path.write_text(text, encoding="utf-8")
        return load_routes(path)

    return load


@pytest.fixture
def mistakes(loaded, tmp_path):
    """The mistakes in a text, each without the file's name."""

    def find(text: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            loaded(text)
        return [line.removeprefix(f"{tmp_path / 'headrace.toml'}:") for line in str(caught.value).splitlines()]

    return find


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (INVOICES + "weight = 0\n", "10: routes[0].weight: 0 cannot be used here: input should be greater than 0."),
        (INVOICES + "weight = -1.5\n", "10: routes[0].weight: -1.5 cannot be used here: input should be greater than 0."),
        (INVOICES + "weight = inf\n", "10: routes[0].weight: inf cannot be used here: input should be a finite number."),
        (INVOICES + 'weight = "2"\n', '10: routes[0].weight: "2" is no number; write one, without quotes.'),
        (INVOICES + LANE + "in_flight = 0\n", "13: lanes[0].in_flight: 0 cannot be used here: input should be greater than or equal to 1."),
        (INVOICES + LANE + "pages_per_minute = 0\n", "13: lanes[0].pages_per_minute: 0 cannot be used here: input should be greater than or equal to 1."),
        (INVOICES + LANE + "requests_per_second = 0\n", "13: lanes[0].requests_per_second: 0 cannot be used here: input should be greater than 0."),
        (INVOICES + LANE + 'requests_per_second = "3"\n', '13: lanes[0].requests_per_second: "3" is no number; write one, without quotes.'),
        (INVOICES + LANE + 'preset = "nanonets-por"\n', '13: lanes[0].preset: "nanonets-por" is no preset. Did you mean "nanonets-pro"?'),
        (INVOICES + LANE + 'preset = "x"\n', f'13: lanes[0].preset: "x" is no preset. There are {", ".join(PRESETS)}.'),
        (INVOICES + LANE + 'preset = "mindee"\n', '13: lanes[0].preset: "mindee" is of mindee, and the lane of "nanonets"; there are nanonets-free, nanonets-pro, nanonets-pro-instant.'),
        (LETTERS + LOCAL_LANE + 'preset = "nanonets-pro"\n', "11: lanes[0].preset: is for providers that are asked over the network, and local reads on this machine; remove it (in_flight says how many documents at once)."),
        (LETTERS + LOCAL_LANE + "pages_per_minute = 9\n", "11: lanes[0].pages_per_minute: is for providers that are asked over the network, and local reads on this machine; remove it (in_flight says how many documents at once)."),
        (INVOICES + BUDGET + "pages = 5\n" + BUDGET + "pages = 9\n", '16: budgets[1].name: "daily" is the name of budgets[0] too; give each its own.'),
        (INVOICES + BUDGET, "10: budgets[0]: limits nothing: write pages, cost or both."),
        (INVOICES + BUDGET + 'account = "nanonets"\npages = 5\n', "10: budgets[0]: is for either a route or an account: name one of them."),
        (INVOICES + BUDGET.replace('route = "invoices"\n', "") + "pages = 5\n", "10: budgets[0]: is for either a route or an account: name one of them."),
        (INVOICES + BUDGET.replace("day", "week") + "pages = 5\n", '13: budgets[0].period: "week" is not one of day, month.'),
        (INVOICES + BUDGET + "pages = 0\n", "14: budgets[0].pages: 0 lets no document fit, so each would fail as over_budget; write more, or have them wait by `headrace pause`."),
        (INVOICES + LANE + "price_per_page = 1\n" + BUDGET + "cost = 0\n", "18: budgets[0].cost: 0 lets no document fit, so each would fail as over_budget; write more, or have them wait by `headrace pause`."),
        (INVOICES + BUDGET + "pages = -1\n", "14: budgets[0].pages: -1 cannot be used here: input should be greater than or equal to 0."),
        (INVOICES + BUDGET + "pages = 5.5\n", "14: budgets[0].pages: 5.5 is no whole number; write one, without quotes and without a point."),
        (INVOICES + BUDGET + 'cost = "much"\n', '14: budgets[0].cost: "much" is no number; write one, without quotes.'),
        (INVOICES + BUDGET + "pages = 5\nmonth = 3\n", "15: budgets[0].month: is not known. Known here: name, route, account, period, pages, cost."),
        (INVOICES + BUDGET.replace('"invoices"', '"invoces"') + "pages = 5\n", '12: budgets[0].route: "invoces" is no route of this file. Did you mean "invoices"?'),
        (INVOICES + OF_ACCOUNT.replace('"nanonets"', '"nanonet"') + "pages = 5\n", '12: budgets[0].account: no route uses the account "nanonet". Did you mean "nanonets"?'),
        (INVOICES + OF_ACCOUNT.replace('"nanonets"', '"emea"') + "pages = 5\n", '12: budgets[0].account: no route uses the account "emea". Routes use nanonets.'),
        (LETTERS + BUDGET.replace('"invoices"', '"letters"') + "pages = 5\n", "11: budgets[0].route: is read by local, which costs nothing, so nothing would count; remove it."),
        (LETTERS + OF_ACCOUNT.replace('"nanonets"', '"local"') + "pages = 5\n", "11: budgets[0].account: is read by local, which costs nothing, so nothing would count; remove it."),
        (INVOICES + BUDGET + "cost = 5\n", "14: budgets[0].cost: would not count what goes to nanonets/nanonets/m1: no price is known there. Write price_per_page in its [[lanes]], or limit pages instead."),
        (INVOICES + LANE + OF_ACCOUNT + "pages = 5\ncost = 5\n", "18: budgets[0].cost: would not count what goes to nanonets/nanonets/m1: no price is known there. Write price_per_page in its [[lanes]], or limit pages instead."),
        (INVOICES + LANE + 'price_per_page = 1\ncurrency = "EUR"\n' + '[[lanes]]\nprovider = "nanonets"\nmodel = "m2"\nprice_per_page = 1\n', "15: lanes[1].currency: USD beside EUR: costs are added up; use one currency."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_remedy(mistakes, text, found):
    assert found in mistakes(text)


def test_a_budget_of_money_needs_the_price_of_each_lane_that_it_covers(loaded, mistakes):
    other = INVOICES.replace("invoices", "receipts").replace('"m1"', '"m2"')
    priced = LANE + "price_per_page = 0.1\n"
    loaded(INVOICES + other + priced + BUDGET + "cost = 5\n")
    (told,) = mistakes(INVOICES + other + priced + OF_ACCOUNT + "cost = 5\n")
    assert "would not count what goes to nanonets/nanonets/m2: " in told


def test_a_route_or_lane_that_cannot_be_read_is_not_told_as_missing(mistakes):
    broken_lane = LANE + "price_per_page = 1\nin_flight = 0\n"
    assert len(mistakes(INVOICES + broken_lane + BUDGET + "cost = 5\n")) == 1
    broken_route = INVOICES.replace('"nanonets"', '"nanonet"')
    assert len(mistakes(broken_route + BUDGET + "pages = 5\n")) == 1


def test_a_budget_may_cover_what_is_free_as_well(loaded):
    both = LETTERS.replace('provider = "local"', 'provider = "local"\naccount = "nanonets"')
    table = loaded(both + INVOICES + LANE + "price_per_page = 0\n" + OF_ACCOUNT + "cost = 5\n")
    assert table.budgets[0].cost == Decimal(5)


def test_a_lane_without_a_rate_has_none(loaded):
    assert loaded(INVOICES).lane(Lane("nanonets", "nanonets", "m1")).rate == Rate()


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ('preset = "nanonets-pro"\n', Rate(pages_per_minute=150)),
        ('preset = "nanonets-pro"\npages_per_minute = 20\n', Rate(pages_per_minute=20)),
        (
            'preset = "nanonets-pro"\nrequests_per_second = 2.5\n',
            Rate(pages_per_minute=150, requests_per_second=2.5),
        ),
        ("requests_per_second = 3\n", Rate(requests_per_second=3)),
    ],
)
def test_a_rate_beside_a_preset_counts_instead_of_its_own(loaded, written, rate):
    assert loaded(INVOICES + LANE + written).lane(Lane("nanonets", "nanonets", "m1")).rate == rate


def test_the_dispatcher_goes_by_what_is_written(loaded):
    table = loaded(
        INVOICES + "weight = 2\n" + LANE + 'preset = "nanonets-pro"\nprice_per_page = "0.10"\nin_flight = 40\n'
    )
    rules = table.of_lane(Lane("nanonets", "nanonets", "m1"))
    assert (rules.in_flight, rules.pages_per_minute, rules.price, rules.paid) == (40, 150, 0.10, True)
    assert table.weights == {"invoices": 2.0}
