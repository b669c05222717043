"""What is written about the configuration is true."""

import re
import tomllib
from pathlib import Path

from dotenv import dotenv_values

from config.docs import page
from config.presets import PRESETS
from config.routes import load_routes
from config.settings import VENDOR_NAMES, Settings, load_settings, variable

PROJECT = Path(__file__).parents[2]
EXAMPLE_ENV = PROJECT / "deploy" / "example.env"
CONFIGURATION = PROJECT / "docs" / "configuration.md"


def test_the_example_environment_shows_every_setting():
    assert set(dotenv_values(EXAMPLE_ENV)) == {variable(name) for name in Settings.model_fields} | set(VENDOR_NAMES)


def test_the_example_environment_loads_as_it_stands():
    written = {name: value or "" for name, value in dotenv_values(EXAMPLE_ENV, interpolate=False).items()}
    settings = load_settings(written)
    assert settings.require("broker_url").startswith("redis://")
    defaults = load_settings({}).model_dump(exclude={"broker_url", "ledger_url"})
    assert settings.model_dump(exclude={"broker_url", "ledger_url"}) == defaults


def test_each_setting_of_the_example_environment_has_a_sentence_above():
    blocks = EXAMPLE_ENV.read_text().split("\n\n")
    assert all(block.startswith("# ") and block.split("\n")[0].rstrip(".").count(" ") > 2 for block in blocks)


def test_the_configuration_page_is_current():
    current = CONFIGURATION.read_text(encoding="utf-8") == page()
    assert current, "run: python -m config.docs > docs/configuration.md"


def test_the_example_of_the_page_loads(tmp_path):
    example = re.search(r"```toml\n(.*?)```", CONFIGURATION.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    path = tmp_path / "headrace.toml"
    path.write_text(example[1], encoding="utf-8")
    table = load_routes(path)
    assert table.for_key("inbox", "invoices/acme/4711.pdf").name == "invoices"
    assert tomllib.loads(example[1]).keys() == {"routes", "lanes", "budgets", "schedules"}


def test_every_preset_is_on_the_page_with_its_figures():
    for name, preset in PRESETS.items():
        (row,) = [line for line in page().splitlines() if line.startswith(f"| `{name}` |")]
        assert f"| {preset.provider} |" in row
        assert str(preset.rate.pages_per_minute or "a second") in row


def test_every_kind_of_value_is_named_on_the_page():
    rows = [line.split("|")[2].strip() for line in page().splitlines() if line.startswith("| `")]
    assert all(rows)
