"""Settings come from the environment, and mistakes are told all at once and without a value."""

import pytest

from config.settings import PREFIX, Settings, environment, load_settings, variable
from headrace.errors import ConfigurationError

SECRET = "hunter2-very-secret"


def told(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ)
    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_nothing_need_be_set():
    settings = load_settings({"PATH": "/bin"})
    assert settings.broker_url is None
    assert settings.watch_seconds == 2


def test_an_empty_value_counts_as_not_set():
    assert load_settings({"HEADRACE_SQS_QUEUE_URLS": "", "HEADRACE_WATCH_SECONDS": " "}) == load_settings({})


def test_a_zero_is_a_value():
    assert load_settings({"HEADRACE_WATCH_SECONDS": "0"}).watch_seconds == 0


def test_a_misspelt_name_is_an_error_that_names_the_nearest():
    assert told(HEADRACE_BROKER_UR=SECRET) == 'HEADRACE_BROKER_UR is not a setting. Did you mean "HEADRACE_BROKER_URL"?'


def test_every_problem_is_told_at_once_by_name():
    text = told(
        HEADRACE_BROKER_URL=f"http://{SECRET}@host",
        HEADRACE_S3_ENDPOINT=f"http://[{SECRET}",
        HEADRACE_S3_SECRET_ACCESS_KEY=SECRET,
        HEADRACE_ACCOUNTS=f'{{"nanonets": "{SECRET}"',
        HEADRACE_WATCH_SECONDS=SECRET,
        HEADRACE_LOG_LEVEL=SECRET,
        HEADRACE_NO_SUCH="1",
    )
    assert [line.split(" ")[0].removeprefix(PREFIX) for line in sorted(text.splitlines())] == [
        "ACCOUNTS", "BROKER_URL", "LOG_LEVEL", "NO_SUCH", "S3_ENDPOINT", "S3_SECRET_ACCESS_KEY", "WATCH_SECONDS",
    ]  # fmt: skip


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n"])
def test_queues_are_a_list(between):
    urls = ("https://sqs.eu-west-1.amazonaws.com/1/a", "http://127.0.0.1:9324/1/b")
    assert load_settings({"HEADRACE_SQS_QUEUE_URLS": between.join(urls)}).sqs_queue_urls == urls


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        (f"https://host/1/a {SECRET}", "must begin with http:// or https://"),
        (f"https://host/1/a https://:{SECRET}@/b", "must name a host"),
        ("https://host/1/a,https://host/1/a", "names a queue twice"),
    ],
)
def test_a_queue_that_cannot_be_one_is_refused(urls, words):
    text = told(HEADRACE_SQS_QUEUE_URLS=urls)
    assert text.startswith("HEADRACE_SQS_QUEUE_URLS ")
    assert words in text


def test_the_vendors_own_name_is_understood():
    settings = load_settings({"NANONETS_API_KEY": SECRET})
    assert settings.account_key("nanonets").get_secret_value() == SECRET


def test_two_different_keys_for_one_account_are_refused():
    assert "differ" in told(NANONETS_API_KEY=SECRET, HEADRACE_NANONETS_API_KEY="other")
    assert "one of the two" in told(NANONETS_API_KEY=SECRET, HEADRACE_ACCOUNTS='{"nanonets": "other"}')


def test_accounts_are_named_keys():
    settings = load_settings({"HEADRACE_ACCOUNTS": f'{{"emea": "{SECRET}"}}', "NANONETS_API_KEY": "other-key"})
    assert set(settings.api_keys) == {"nanonets", "emea"}
    assert settings.account_key("emea").get_secret_value() == SECRET


@pytest.mark.parametrize(("account", "name"), [("nanonets", "NANONETS_API_KEY"), ("emea", "HEADRACE_ACCOUNTS")])
def test_a_missing_key_says_where_to_give_it(account, name):
    with pytest.raises(ConfigurationError, match=name):
        load_settings({}).account_key(account)


def test_an_account_without_a_key_is_refused():
    assert "HEADRACE_ACCOUNTS" in told(HEADRACE_ACCOUNTS='{"emea": ""}')


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("HEADRACE_ACCOUNTS", '{"nanonets-emea": "its API key"}'),
        ("HEADRACE_PASSWORDS", '{"statements": "the password"}'),
    ],
)
@pytest.mark.parametrize("value", ["right=x", f'"{SECRET}"', f'["{SECRET}"]', '{"right": 5}', '{"right": null}'])
def test_names_with_secrets_are_a_json_object_and_an_example_is_told(name, example, value):
    assert told(**{name: value}) == (f"{name} cannot be read: write names and texts as a JSON object, as {example}.")


@pytest.mark.parametrize("value", ['{"statements": ""}', '{"": "word"}'])
def test_a_password_without_a_name_and_a_name_without_one_are_refused(value):
    assert told(HEADRACE_PASSWORDS=value).startswith("HEADRACE_PASSWORDS has a password without a name")


def test_what_a_process_needs_is_given_or_told():
    settings = load_settings({"HEADRACE_BROKER_URL": "redis://127.0.0.1:6379/0"})
    assert settings.require("broker_url") == "redis://127.0.0.1:6379/0"
    with pytest.raises(ConfigurationError, match="HEADRACE_LEDGER_URL must be set"):
        settings.require("ledger_url")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////data/ledger.db",
        "postgresql+psycopg://u:p@db:5432/headrace",
        "postgresql+psycopg:///headrace?host=/run",
    ],
)
def test_a_ledger_may_be_a_file_a_server_or_a_socket(url):
    assert load_settings({"HEADRACE_LEDGER_URL": url}).require("ledger_url") == url


@pytest.mark.parametrize("url", ["sqlite:///relative.db", "postgresql://db/headrace", "mysql://db/headrace"])
def test_another_ledger_is_refused(url):
    assert "HEADRACE_LEDGER_URL must begin with" in told(HEADRACE_LEDGER_URL=url)


def test_secrets_stay_out_of_texts_and_are_known_for_redaction():
    settings = load_settings(
        {
            "HEADRACE_BROKER_URL": "redis://:br%40ker@host:6379/0",
            "HEADRACE_LEDGER_URL": "postgresql+psycopg://me:ledger-word@host/name",
            "HEADRACE_S3_ACCESS_KEY_ID": "key-id",
            "HEADRACE_S3_SECRET_ACCESS_KEY": "s3-word",
            "HEADRACE_ACCOUNTS": '{"emea": "emea-word"}',
            "NANONETS_API_KEY": "nanonets-word",
        }
    )
    secrets = {"br@ker", "br%40ker", "ledger-word", "s3-word", "emea-word", "nanonets-word"}
    assert settings.secrets() == secrets
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert not [secret for secret in secrets if secret in text]


def test_the_real_environment_stands_above_the_dotenv_file(tmp_path, monkeypatch):
    dotenv = tmp_path / ".env"
    dotenv.write_text("HEADRACE_LOG_LEVEL=debug\nHEADRACE_LOG_FORMAT=console\nNANONETS_API_KEY=pa${HOME}ss\n")
    monkeypatch.setenv("HEADRACE_LOG_LEVEL", "error")
    read = environment(dotenv)
    assert (read["HEADRACE_LOG_LEVEL"], read["HEADRACE_LOG_FORMAT"]) == ("error", "console")
    assert read["NANONETS_API_KEY"] == "pa${HOME}ss"


def test_a_missing_dotenv_file_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_LOG_LEVEL", "error")
    assert environment(tmp_path / ".env")["HEADRACE_LOG_LEVEL"] == "error"


def test_every_setting_says_what_it_is_for():
    assert all(field.description for field in Settings.model_fields.values())
    assert variable("broker_url") == "HEADRACE_BROKER_URL"
