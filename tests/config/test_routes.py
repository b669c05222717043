# ruff: noqa: E501  A mistake and its text read best on one line.
"""headrace.toml becomes the route table, or says every mistake with its line."""

from decimal import Decimal
from pathlib import Path

import pytest

from config.routes import RouteTable, check_secrets, load_routes, passwords_of
from config.settings import load_settings
from headrace.errors import ConfigurationError, NoRoute
from headrace.routing import Lane, Route
from headrace.storage import Location
from tests.config.route_texts import INVOICES
from tests.config.route_texts import LETTERS as ROUTE


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "headrace.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def mistakes(written):
    """The mistakes in a text, each without the file's name."""

    def find(text: str) -> list[str]:
        path = written(text)
        with pytest.raises(ConfigurationError) as caught:
            load_routes(path)
        return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]

    return find


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def test_a_file_becomes_a_table(written):
    table = load_routes(
        written(
            ROUTE
            + INVOICES
            + '[[lanes]]\nprovider = "nanonets"\nmodel = "m1"\nin_flight = 3\nprice_per_page = 0.1\ncurrency = "EUR"\n'
            + '[[schedules]]\nname = "again"\nevery_seconds = 3600\naction = "reprocess"\nprefix = "s3://inbox/letters/"\n'
        )
    )
    assert [route.name for route in table.routes] == ["letters", "invoices"]
    assert table.for_key("inbox", "invoices/a.pdf").name == "invoices"
    lane = table.lane(Lane("nanonets", "nanonets", "m1"))
    assert (lane.in_flight, lane.price_per_page, lane.currency) == (3, Decimal("0.1"), "EUR")
    assert (table.schedules[0].bucket, table.schedules[0].key_prefix) == ("inbox", "letters/")
    assert table.privates() == {Location("private", "headrace")}


def test_a_lane_that_is_not_listed_has_the_defaults(written):
    lane = load_routes(written(ROUTE)).lane(Lane("local", "local", ""))
    assert (lane.in_flight, lane.price_per_page) == (16, None)


def test_a_key_that_no_route_takes_is_refused(written):
    with pytest.raises(NoRoute):
        load_routes(written(ROUTE)).for_key("inbox", "other/a.pdf")


def test_watched_prefixes_do_not_lie_inside_each_other():
    def route(name: str, bucket: str, prefix: str) -> Route:
        return Route(
            name=name, bucket=bucket, prefix=prefix, provider="local", output="s3://o/rows", private="s3://p/private"
        )

    table = RouteTable(
        (route("a", "one", "in/x"), route("b", "one", "in/"), route("c", "one", "in/"), route("d", "two", "in/x"))
    )
    assert table.watched() == [("one", "in/"), ("two", "in/x")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (changed(ROUTE, '"local"', '"locl"'), '6: routes[0].provider: "locl" is not one of nanonets, local. Did you mean "local"?'),
        (changed(ROUTE, "bucket", "buckets"), '4: routes[0].buckets: is not known. Did you mean "bucket"?'),
        (changed(ROUTE, "bucket", "buckets"), "2: routes[0].bucket: is missing; write it."),
        (ROUTE + "[routes.poll]\nfirst = 3\n", "10: routes[0].poll.first: is not known. Known here: first_seconds, longest_seconds, polls."),
        (ROUTE + "most_pages = 0\n", "9: routes[0].most_pages: 0 cannot be used here: input should be greater than or equal to 1."),
        (ROUTE + "\n" + ROUTE, '12: routes[1].name: "letters" is the name of routes[0] too; give each its own.'),
        (changed(ROUTE, "s3://outbox/rows", "outbox/rows"), '7: routes[0].output: "outbox/rows" does not look right; expected is s3://bucket/prefix, without empty parts.'),
        (changed(INVOICES, 'model = "m1"', ""), "2: routes[0].model: is missing; write the id of the nanonets model that reads these documents."),
        (ROUTE + 'model = "m1"\n', "9: routes[0].model: the local provider has no models; remove it."),
        (ROUTE + 'columns = ["Amount", "ROW"]\n', '9: routes[0].columns[1]: "ROW" is a column that every row has; remove it (its cells go to other).'),
        (ROUTE + 'columns = ["Amount", "amount"]\n', '9: routes[0].columns[1]: "amount" is named twice; remove one.'),
        (ROUTE + 'key_pattern = "{vendor}{po}"\n', '9: routes[0].key_pattern: "{vendor}{po}" has two names side by side; put text between them.'),
        (ROUTE + 'suffixes = [\n".pdf",\n"png"]\n', '11: routes[0].suffixes[1]: "png" does not begin with a dot; write ".png".'),
        (ROUTE + "[routes.poll]\nfirst_seconds = 9\nlongest_seconds = 8\n", "10: routes[0].poll.first_seconds: 9.0 is more than longest_seconds (8.0); write less."),
        (ROUTE + "[routes.poll]\npolls = 20_000\n", "9: routes[0].poll: lasts 13.9 days, and a link for the provider is valid for 7 at most; lower polls."),
        (INVOICES + 'send = "url"\n[routes.poll]\npolls = 10_081\n', '11: routes[0].poll: lasts 7 days less 105 seconds, and a link for the provider, valid for 7 days at most, is made up to 120 seconds before the first delay begins; lower polls, or write send = "stream".'),
        (ROUTE + '[[lanes]]\nprovider = "locl"\n', '9: lanes[0]: no route uses "locl/locl/". Did you mean "local/local/"?'),
        (ROUTE + '[[lanes]]\nprovider = "local"\n' * 2, '11: lanes[1]: "local/local/" is described in lanes[0] too; keep one.'),
        (ROUTE + '[[schedules]]\nname = "x"\ncron = "0 3 * *"\naction = "retry"\n', '11: schedules[0].cron: "0 3 * *" has 4 fields; a cron line has five: minute, hour, day of month, month, day of week.'),
        (ROUTE + '[[schedules]]\nname = "x"\ncron = "0 3 31 2 *"\naction = "retry"\n', '11: schedules[0].cron: "0 3 31 2 *" is never due: no month that it names has such a day.'),
        (ROUTE + '[[schedules]]\nname = "x"\nevery_seconds = 60\ncron = "0 3 * * *"\naction = "retry"\n', "9: schedules[0]: needs exactly one of cron and every_seconds."),
        (ROUTE + '[[schedules]]\nname = "x"\nevery_seconds = 60\naction = "reprocess"\n', "9: schedules[0]: needs a prefix, as s3://bucket/prefix, to reprocess."),
        (ROUTE + '[[schedules]]\nname = "x"\nevery_seconds = 60\naction = "retry"\nroute = "leters"\n', '13: schedules[0].route: "leters" is no route of this file. Did you mean "letters"?'),
        (ROUTE + '[[schedules]]\nname = "x"\nevery_seconds = 60\naction = "retry"\nprefix = "s3://inbox/other/"\n', '13: schedules[0].prefix: "s3://inbox/other/" holds no document of any route; mend it.'),
        ("lane = 1\n" + ROUTE, '1: lane: is not known; a file holds routes, lanes, budgets, schedules. Did you mean "lanes"?'),
        ("[routes]\n", "1: routes: is not a list of tables; begin each with [[routes]], in double brackets."),
        ("\n[[lanes]]\nprovider = 'local'\n", "1: routes: there is no route; write one, beginning with [[routes]]."),
        (ROUTE + 'passwords = "right"\n', '9: routes[0].passwords: "right" is no list; write it in brackets, as ["right"].'),
        (INVOICES + 'pages_to_process = "1,2"\n', '10: routes[0].pages_to_process: "1,2" is no list; write it in brackets, as [1, 2].'),
        (INVOICES + 'pages_to_process = 3\n', "10: routes[0].pages_to_process: 3 is no list; write it in brackets, as [3]."),
        (INVOICES + 'pages_to_process = [1, "2"]\n', '10: routes[0].pages_to_process[1]: "2" is no whole number; write one, without quotes and without a point.'),
        (INVOICES + 'pages_to_process = [true]\n', "10: routes[0].pages_to_process[0]: true is no whole number; write one, without quotes and without a point."),
        (INVOICES + 'language = "DE"\n', '10: routes[0].language: "DE" does not look right; expected is two or three small letters, as de.'),
        (INVOICES + 'language = "German"\n', '10: routes[0].language: "German" does not look right; expected is two or three small letters, as de.'),
        (INVOICES + 'text_only = "maybe"\n', '10: routes[0].text_only: "maybe" is neither true nor false; write one of the two, without quotes.'),
        (ROUTE + 'convert = "yes"\n', '9: routes[0].convert: "yes" is neither true nor false; write one of the two, without quotes.'),
        (ROUTE + "convert = 1\n", "9: routes[0].convert: 1 is neither true nor false; write one of the two, without quotes."),
        (ROUTE + 'most_pages = "5"\n', '9: routes[0].most_pages: "5" is no whole number; write one, without quotes and without a point.'),
        (ROUTE + '[routes.poll]\nfirst_seconds = "5"\n', '10: routes[0].poll.first_seconds: "5" is no number; write one, without quotes.'),
        (ROUTE + "metadata = { year = 2026 }\n", "9: routes[0].metadata.year: 2026 is no text; write it in quotes."),
        (ROUTE + "metadata = 5\n", '9: routes[0].metadata: 5 is no table; write names and values, as {name = "value"}.'),
        (ROUTE + "poll = 5\n", '9: routes[0].poll: 5 is no table; write names and values, as {name = "value"}.'),
        (ROUTE + '[[lanes]]\nprovider = "local"\nin_flight = "5"\n', '11: lanes[0].in_flight: "5" is no whole number; write one, without quotes and without a point.'),
        (ROUTE + '[[lanes]]\nprovider = "local"\nprice_per_page = "free"\n', '11: lanes[0].price_per_page: "free" is no number; write one, without quotes.'),
        (ROUTE + '[[lanes]]\nprovider = "local"\ncurrency = "eur"\n', '11: lanes[0].currency: "eur" does not look right; expected is three capital letters, as USD.'),
        ("\na = = 1", "2: is no TOML: Invalid value, at column 5."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_remedy(mistakes, text, found):
    assert found in mistakes(text)


@pytest.mark.parametrize(("send", "polls"), [("url", 10_080), ("stream", 10_081)])
def test_polls_that_no_link_needs_to_outlive_for_more_than_a_week_are_taken(written, send, polls):
    (route,) = load_routes(written(f'{INVOICES}send = "{send}"\n[routes.poll]\npolls = {polls}\n')).routes
    assert route.poll.polls == polls


def test_no_chosen_page_means_every_page(written):
    (route,) = load_routes(written(INVOICES + "pages_to_process = []\n")).routes
    assert route.pages_to_process == ()


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(mistakes):
    text = changed(ROUTE, '"local"', '"locl"') + 'sufixes = [".pdf"]\n' + changed(INVOICES, 'model = "m1"', "")
    assert [line.split(":")[0] for line in mistakes(text)] == ["6", "9", "11"]


def test_a_route_that_cannot_be_read_is_not_told_as_missing(mistakes):
    text = changed(ROUTE, '"local"', '"locl"') + '[[lanes]]\nprovider = "local"\n'
    assert len(mistakes(text)) == 1


@pytest.mark.parametrize(
    ("output", "private", "word"),
    [
        ("s3://inbox/letters/rows", "s3://private/headrace", "output"),
        ("s3://outbox/rows", "s3://inbox/letters/private", "private"),
        ("s3://outbox/rows", "s3://outbox/rows", "private"),
        ("s3://outbox/rows", "s3://outbox/rows/private", "private"),
        ("s3://outbox/rows/all", "s3://outbox/rows", "private"),
    ],
)
def test_places_that_lie_inside_each_other_are_refused(mistakes, output, private, word):
    text = changed(changed(ROUTE, "s3://outbox/rows", output), "s3://private/headrace", private)
    assert any(f"routes[0].{word}: " in line for line in mistakes(text))


def test_an_output_around_a_watched_prefix_is_refused(mistakes):
    text = changed(ROUTE, "s3://outbox/rows", "s3://inbox/letters") + "\n"
    assert "watches" in mistakes(text)[0]


def test_places_beside_each_other_are_fine(written):
    text = changed(
        changed(ROUTE, "s3://outbox/rows", "s3://inbox/rows"), "s3://private/headrace", "s3://inbox/rows-own"
    )
    load_routes(written(text))


def test_routes_with_one_output_declare_the_same_columns(mistakes):
    found = mistakes(ROUTE + 'columns = ["Amount"]\n' + INVOICES)
    assert found == [
        (
            '11: routes[1].columns: differ from those of routes[0] ("letters"), which has the same output; '
            "declare the same columns in the same order, or give it another output."
        )
    ]


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [('[".pdf"]', '[".PDF", ".png"]', True), ('[".pdf"]', '[".signed.pdf"]', True), ('[".pdf"]', '[".png"]', False)],
)
def test_two_routes_do_not_take_the_same_objects(written, mistakes, first, second, both):
    other = changed(ROUTE, '"letters"', '"others"')
    text = f"{ROUTE}suffixes = {first}\n{other}suffixes = {second}\n"
    if not both:
        load_routes(written(text))
        return
    assert 'routes[1].prefix: takes the same objects as routes[0] ("letters")' in mistakes(text)[0]


def test_costs_that_are_added_up_are_in_one_currency(mistakes):
    lanes = '[[lanes]]\nprovider = "local"\nprice_per_page = 1\n'
    lanes += '[[lanes]]\nprovider = "nanonets"\nmodel = "m1"\nprice_per_page = 1\ncurrency = "EUR"\n'
    assert "EUR beside USD" in mistakes(ROUTE + INVOICES + lanes)[0]


def test_a_value_of_an_unknown_name_is_not_repeated(mistakes):
    assert "hunter2" not in "\n".join(mistakes(ROUTE + 'api_key = "hunter2"\n'))


def test_a_hostile_value_stays_on_one_short_line(mistakes):
    text = changed(ROUTE, '"local"', '"' + "\\n\\u001b[31m" * 100 + '"')
    assert len(mistakes(text)) == 1
    assert len(mistakes(text)[0]) < 200


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe", "is not UTF-8 text"), (None, "there is no such file")],
)
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path, content, words):
    path = tmp_path / "headrace.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        load_routes(path)


def test_each_paid_account_needs_a_key(written):
    table = load_routes(written(ROUTE + INVOICES + 'account = "nanonet-emea"\n'))
    with pytest.raises(
        ConfigurationError, match=r':18: routes\[1\]\.account: .*"nanonet-emea" has no API key'
    ) as caught:
        check_secrets(table, load_settings({"HEADRACE_ACCOUNTS": '{"nanonets-emea": "hunter2"}'}))
    assert 'Did you mean "nanonets-emea"?' in str(caught.value)
    check_secrets(table, load_settings({"HEADRACE_ACCOUNTS": '{"nanonet-emea": "hunter2"}'}))


def test_each_password_that_a_route_names_is_in_the_settings(written):
    table = load_routes(
        written(changed(ROUTE, 'provider = "local"', 'provider = "local"\npasswords = ["bank", "statement"]'))
    )
    with pytest.raises(ConfigurationError) as caught:
        check_secrets(table, load_settings({"HEADRACE_PASSWORDS": '{"bank": "hunter2", "statements": "hunter3"}'}))
    (told,) = str(caught.value).splitlines()
    assert told.endswith(
        ':7: routes[0].passwords[1]: There is no password "statement": add it to HEADRACE_PASSWORDS, '
        'as {"statement": "…"}. Did you mean "statements"?'
    )
    assert "hunter" not in told
    check_secrets(table, load_settings({"HEADRACE_PASSWORDS": '{"bank": "hunter2", "statement": "hunter3"}'}))


def test_missing_keys_and_missing_passwords_are_told_together(written):
    table = load_routes(written(ROUTE + INVOICES + 'passwords = ["bank"]\n'))
    with pytest.raises(ConfigurationError) as caught:
        check_secrets(table, load_settings({}))
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "routes[1].account",
        "routes[1].passwords[0]",
    ]


def test_the_passwords_of_a_route_come_in_its_order(written):
    route = load_routes(written(INVOICES + 'passwords = ["new", "old"]\n')).routes[0]
    settings = load_settings({"HEADRACE_PASSWORDS": '{"old": "1", "new": "2", "other": "3"}'})
    assert [password.get_secret_value() for password in passwords_of(route, settings)] == ["2", "1"]
    with pytest.raises(ConfigurationError, match='no password "new"'):
        passwords_of(route, load_settings({}))


TEXT_ONLY = changed(INVOICES, 'model = "m1"', "text_only = true")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            ROUTE + 'language = "de"\n',
            "routes[0].language: is for nanonets, and local reads these documents; remove it.",
        ),
        (
            ROUTE + "text_only = true\n",
            "routes[0].text_only: is for nanonets, and local reads these documents; remove it.",
        ),
        (
            ROUTE + "pages_to_process = [1]\n",
            "routes[0].pages_to_process: is for nanonets, and local reads these documents; remove it.",
        ),
        (
            ROUTE + 'send = "base64"\n',
            'routes[0].send: "base64" is for nanonets, and local reads these documents; write "stream".',
        ),
        (ROUTE + 'passwords = ["a", "b", "a"]\n', 'routes[0].passwords[2]: "a" is named twice; remove one.'),
        (
            INVOICES + "text_only = true\n",
            "routes[0].model: has no part where text_only is asked for; remove one of the two.",
        ),
        (
            changed(INVOICES, 'model = "m1"\n', ""),
            "routes[0].model: is missing; write the id of the nanonets model that reads these documents.",
        ),
        (
            TEXT_ONLY + "pages_to_process = [1]\n",
            "routes[0].pages_to_process: cannot be chosen where text_only is asked for: it reads every page; remove one.",
        ),
        (
            TEXT_ONLY + 'language = "de"\n',
            "routes[0].language: cannot be told where text_only is asked for; remove one.",
        ),
        (
            TEXT_ONLY + 'send = "base64"\n',
            'routes[0].send: "base64" is not taken where text_only is asked for; write "stream" or "url".',
        ),
    ],
)
def test_what_a_provider_cannot_be_asked_is_refused(mistakes, text, told):
    (found,) = mistakes(text)
    assert found.partition(": ")[2] == told


def test_a_route_for_text_alone_needs_no_model(written):
    (route,) = load_routes(written(TEXT_ONLY + 'columns = ["Item"]\nsend = "url"\n')).routes
    assert route.lane == Lane("nanonets", "nanonets", "")


def test_pages_to_process_are_each_named_once_in_order(written):
    (route,) = load_routes(written(INVOICES + "pages_to_process = [7, 1, 7, 2]\n")).routes
    assert route.pages_to_process == (1, 2, 7)
