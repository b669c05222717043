import tomllib
from pathlib import Path

import pytest

from config.routes import check_secrets, load_routes
from config.settings import load_settings
from headrace.labels import LabelRule
from simulator.models import Models
from workers.stack.environment import (
    Secrets,
    local_environment,
    plan,
    simulated_routes,
    told_of_simulation,
    write_down,
)
from workers.stack.errors import StackError
from workers.stack.folder import DataFolder
from workers.stack.own_routes import models_toml, routes_toml

RULES = (
    LabelRule(label="invoice_number", synonyms=("Invoice no.", 'the "number"', "Rechnungsnr. \\ Ü"), where="right"),
    LabelRule(label="total", kind="amount"),
)


@pytest.fixture
def folder(tmp_path):
    made = DataFolder(tmp_path / "data")
    made.make()
    return made


def planned(folder, tmp_path, environ=None):
    settings = load_settings({"HEADRACE_ROUTES_FILE": str(tmp_path / "headrace.toml"), **(environ or {})})
    return plan(settings, folder, Secrets.kept(folder))


def test_without_settings_every_server_is_the_stacks_own(folder, tmp_path):
    found = planned(folder, tmp_path)
    settings = load_settings(found.environment)
    assert settings.broker_url.get_secret_value() == found.valkey.url
    assert settings.s3_endpoint == "http://127.0.0.1:18333"
    assert settings.ledger_url.get_secret_value() == f"sqlite:///{folder.path}/ledger/ledger.db"
    assert settings.nanonets_base_url.startswith("http://127.0.0.1:18331/")
    assert settings.routes_file == folder.routes_file
    assert sorted(found.ports) == [18330, 18331, *range(18333, 18343)]


def test_what_is_set_is_used_instead_of_the_stacks_own(folder, tmp_path):
    (tmp_path / "headrace.toml").touch()
    found = planned(
        folder,
        tmp_path,
        {
            "HEADRACE_BROKER_URL": "redis://broker:6379/0",
            "HEADRACE_LEDGER_URL": "postgresql+psycopg://ledger/headrace",
            "HEADRACE_S3_ENDPOINT": "https://s3.example.com",
            "NANONETS_API_KEY": "real",
        },
    )
    assert (found.valkey, found.s3, found.simulator_port) == (None, None, None)
    assert found.ports == {}
    assert found.environment == {
        "HEADRACE_DATA_FOLDER": str(folder.path),
        "HEADRACE_ROUTES_FILE": str(tmp_path / "headrace.toml"),
    }


def test_the_samples_never_go_to_somebody_elses_store(folder, tmp_path):
    with pytest.raises(StackError, match=r"HEADRACE_S3_ENDPOINT is set and there is no .*headrace\.toml"):
        planned(folder, tmp_path, {"HEADRACE_S3_ENDPOINT": "https://s3.example.com"})


def test_the_ports_move_together(folder, tmp_path):
    assert sorted(planned(folder, tmp_path, {"HEADRACE_PORT_BASE": "25000"}).ports)[::5] == [25000, 25006, 25011]


def test_secrets_are_made_once_and_only_their_owner_reads_them(folder):
    first = Secrets.kept(folder)
    assert Secrets.kept(folder) == first
    assert Secrets.make() != first
    assert folder.stack_file.stat().st_mode & 0o777 == 0o600
    assert first.s3_secret_key not in repr(first)


def test_other_commands_find_the_stack_of_a_data_folder(folder, tmp_path):
    assert local_environment(tmp_path / "elsewhere") is None
    keys = Secrets.kept(folder)
    assert local_environment(folder.path) is None  # it was never up
    found = planned(folder, tmp_path)
    write_down(folder, keys, found)
    assert local_environment(folder.path) == dict(found.environment)
    assert Secrets.kept(folder) == keys


@pytest.mark.parametrize("text", ["", "{", "[]", '{"secrets": {"s3_secret_key": "x"}}', '{"secrets": 7}'])
def test_a_damaged_stack_file_is_named(folder, text):
    folder.stack_file.write_text(text)
    with pytest.raises(StackError, match=r"stack\.json is damaged"):
        Secrets.kept(folder)


@pytest.mark.parametrize("simulated", [True, False])
def test_the_stacks_own_routes_load(folder, tmp_path, simulated):
    folder.routes_file.write_text(routes_toml(RULES, simulated=simulated), encoding="utf-8")
    table = load_routes(folder.routes_file)
    check_secrets(table, load_settings(planned(folder, tmp_path).environment))
    assert [route.name for route in table.routes] == (["local", "nanonets"] if simulated else ["local"])
    assert all(route.fields == RULES for route in table.routes)
    assert table.watched() == [("inbox", route.prefix) for route in table.routes]


def test_the_simulator_has_the_models_of_the_routes_that_it_answers(folder, tmp_path):
    folder.routes_file.write_text(routes_toml(RULES, simulated=True), encoding="utf-8")
    simulated = simulated_routes(planned(folder, tmp_path), load_routes(folder.routes_file))
    assert [route.name for route in simulated] == ["nanonets"]
    (model,) = tomllib.loads(models_toml(simulated))["models"]
    assert model["id"] == "samples"
    assert tuple(LabelRule.model_validate(row) for row in model["fields"]) == RULES


TEXT_ONLY = """
[[routes]]
name = "letters"
bucket = "scans"
provider = "nanonets"
text_only = true
output = "s3://results/rows"
private = "s3://results-private/headrace"
"""


@pytest.mark.parametrize(("others", "known"), [("", []), (routes_toml(RULES, simulated=True), ["samples"])])
def test_the_simulator_starts_with_routes_that_ask_for_the_text_alone(folder, tmp_path, others, known):
    file = tmp_path / "headrace.toml"
    file.write_text(TEXT_ONLY + others, encoding="utf-8")
    simulated = simulated_routes(planned(folder, tmp_path), load_routes(file))
    assert "letters" in [route.name for route in simulated]
    models_file = tmp_path / "models.toml"
    models_file.write_text(models_toml(simulated), encoding="utf-8")
    assert [model.id for model in Models.load(models_file, tmp_path / "created.json").all()] == known


def test_what_is_simulated_is_told_before_any_document_came(folder, tmp_path):
    folder.routes_file.write_text(routes_toml(RULES, simulated=True), encoding="utf-8")
    table, found = load_routes(folder.routes_file), planned(folder, tmp_path)
    told = told_of_simulation(found, table)
    assert told.startswith("SIMULATED: nanonets. ")
    assert "born-digital PDFs only" in told
    assert told.endswith(f" http://127.0.0.1:{found.simulator_port}/simulator/bill")
    assert told_of_simulation(planned(folder, tmp_path, {"NANONETS_API_KEY": "real"}), table) is None


def test_with_a_key_nothing_is_simulated(folder, tmp_path):
    folder.routes_file.write_text(routes_toml(RULES, simulated=True), encoding="utf-8")
    with_key = planned(folder, tmp_path, {"NANONETS_API_KEY": "real"})
    assert simulated_routes(with_key, load_routes(folder.routes_file)) == []


def test_a_data_folder_with_any_name_has_a_ledger_url_that_loads(tmp_path):
    folder = DataFolder(tmp_path / "my data ü")
    folder.make()
    url = load_settings(planned(folder, tmp_path).environment).ledger_url.get_secret_value()
    assert Path(url.removeprefix("sqlite:///")) == folder.ledger
