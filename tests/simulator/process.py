"""The real simulator in its own process."""

import base64
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

API_KEY = "simulated-key"
ROOT = Path(__file__).parents[2]


@dataclass
class Simulator:
    """One that runs: where it is, its process, and who calls it, with a new connection for each call."""

    base_url: str
    process: subprocess.Popen[str]
    client: httpx.Client

    def bill(self) -> dict:
        return self._control("GET", "bill").json()

    def order(self, **order) -> httpx.Response:
        return self._control("POST", "faults", json=order)

    def ask(self, method, path, key=API_KEY, **options) -> httpx.Response:
        """One call of the API, as any client makes it."""
        return self.client.request(method, f"{self.base_url}/{path}", auth=(key, ""), **options)

    def upload(self, content, *, model="demo", query="", name="a.pdf", **form) -> httpx.Response:
        return self.ask("POST", f"OCR/Model/{model}/LabelFile/{query}", files={"file": (name, content)}, data=form)

    def stored(self, file_id, model="demo") -> dict:
        return self.ask("GET", f"Inferences/Model/{model}/InferenceRequestFiles/GetPredictions/{file_id}").json()

    def _control(self, method, name, **options) -> httpx.Response:
        address = self.base_url.replace("/api/v2", f"/simulator/{name}")
        return self.client.request(method, address, **options)


@contextmanager
def simulator(*options: str) -> Iterator[Simulator]:
    """Start one on a free port, with this test's key; it says when it is ready, and is stopped in the end."""
    command = [sys.executable, "-m", "simulator", "--port", "0", "--key", API_KEY, *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        address = next(word for word in ready.split() if word.startswith("http")).rstrip(",")
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(trust_env=False, timeout=20, limits=limits) as client:
            yield Simulator(address, process, client)
    finally:
        process.kill()
        process.communicate(timeout=10)


@contextmanager
def served_folder(folder: Path) -> Iterator[str]:
    """A web server on loopback for the files of a folder; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()
