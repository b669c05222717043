import json

from tests.cli.conftest import ROUTES
from workers.cli.exits import Exit


def test_fine_routes_are_listed(headrace):
    result = headrace("routes", "check")
    assert result.exit_code == 0
    assert "s3://inbox/nanonets/" in result.stdout
    assert "2 routes are fine." in result.stdout
    told = json.loads(headrace("routes", "check", "--json").stdout)
    assert [route["name"] for route in told["routes"]] == ["local", "nanonets"]
    assert told["mistakes"] == []


def test_every_mistake_is_named_with_its_line(headrace):
    file = headrace.folder / "new.toml"
    file.write_text(
        ROUTES.replace('"nanonets"\nbucket', '"nanonets"\nbukket').replace('"local"\nbucket', '"Local!"\nbucket')
    )
    result = headrace("routes", "check", str(file))
    assert result.exit_code == Exit.FAILED
    assert f"{file}:3:" in result.stderr
    assert "bukket" in result.stderr
    told = json.loads(headrace("routes", "check", str(file), "--json").stdout)
    assert len(told["mistakes"]) >= 2
    assert told["routes"] == []


def test_an_account_without_a_key_is_a_mistake(headrace):
    del headrace.environ["NANONETS_API_KEY"]
    result = headrace("routes", "check")
    assert result.exit_code == Exit.FAILED
    assert "NANONETS_API_KEY" in result.stderr


def test_a_missing_file_is_a_mistake_too(headrace):
    result = headrace("routes", "check", "nowhere.toml")
    assert result.exit_code == Exit.FAILED
    assert "no such file" in result.stderr
