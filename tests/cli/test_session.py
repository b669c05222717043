"""Which servers a command talks to."""

import pytest

from workers.cli.session import Session, of_the_local_stack

LOCAL = {
    "HEADRACE_BROKER_URL": "redis://:x@127.0.0.1:16379/0",
    "HEADRACE_LEDGER_URL": "sqlite:////data/ledger.db",
    "HEADRACE_S3_ENDPOINT": "http://127.0.0.1:18333",
    "HEADRACE_NANONETS_BASE_URL": "http://127.0.0.1:18080/api/v2",
    "NANONETS_API_KEY": "simulated",
}


@pytest.mark.parametrize("own", [{}, {"HEADRACE_BROKER_URL": ""}, {"HEADRACE_LOG_LEVEL": "debug"}])
def test_the_local_stack_is_meant_where_no_server_is_named(own):
    assert of_the_local_stack(LOCAL, own) == LOCAL


def test_a_server_that_the_stack_uses_as_well_is_no_other():
    assert of_the_local_stack(LOCAL, {"HEADRACE_BROKER_URL": LOCAL["HEADRACE_BROKER_URL"]}) == LOCAL
    hybrid = {name: value for name, value in LOCAL.items() if name != "HEADRACE_LEDGER_URL"}
    assert of_the_local_stack(hybrid, {"HEADRACE_LEDGER_URL": "postgresql+psycopg://db/headrace"}) == hybrid


@pytest.mark.parametrize("name", ["HEADRACE_BROKER_URL", "HEADRACE_LEDGER_URL", "HEADRACE_S3_ENDPOINT"])
def test_another_server_means_that_the_stack_is_not_asked(name):
    assert of_the_local_stack(LOCAL, {name: "another"}) == {}


def test_a_real_key_never_meets_the_simulator():
    added = of_the_local_stack(LOCAL, {"NANONETS_API_KEY": "real"})
    assert added == {name: value for name, value in LOCAL.items() if "NANONETS" not in name}


def test_the_users_own_routes_come_before_those_of_a_stack_that_ran_here(tmp_path):
    own, stacks = tmp_path / "headrace.toml", tmp_path / "stack.toml"
    session = Session(
        environ=lambda: {"HEADRACE_ROUTES_FILE": str(own), "HEADRACE_DATA_FOLDER": str(tmp_path)},
        local_environment=lambda _: {"HEADRACE_ROUTES_FILE": str(stacks)},
    )
    own.touch()
    assert session.routes_file == own


def test_without_routes_of_their_own_the_stacks_are_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = Session(
        environ=lambda: {"HEADRACE_DATA_FOLDER": str(tmp_path)},
        local_environment=lambda _: {"HEADRACE_ROUTES_FILE": str(tmp_path / "stack.toml")},
        start_logging=lambda *_, **__: None,
    )
    assert session.routes_file == tmp_path / "stack.toml"
