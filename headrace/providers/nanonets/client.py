"""The HTTP client that talks to Nanonets: address, key and limits, set once per process."""

import httpx
from pydantic import SecretStr

BASE_URL = "https://app.nanonets.com/api/v2"


def nanonets_client(api_key: SecretStr, base_url: str = BASE_URL) -> httpx.Client:
    """A client for one account. The caller closes it."""
    return httpx.Client(
        base_url=base_url,
        # The key is the user name, the password is empty.
        auth=httpx.BasicAuth(api_key.get_secret_value(), ""),
        timeout=httpx.Timeout(connect=10.0, read=100.0, write=15.0, pool=10.0),
        # A redirect would send the document, and the key, somewhere that nobody configured.
        follow_redirects=False,
        # A simulator on this machine is not behind the proxy that the environment names.
        mounts={"all://127.0.0.1": None, "all://localhost": None},
        # Servers close idle connections after five seconds or more. A paid request that meets such a
        # close is in doubt, so an idle connection is given up well before.
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=2.0),
    )
