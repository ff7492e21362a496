"""A server that replies to every request with an error that quotes the whole request."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote


class EchoServer(ThreadingHTTPServer):
    """Listens on a free port; a context manager."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "EchoServer":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class _Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        parts = (self.path, self.path.split("/"), quote(self.path, safe=""))
        text = f"no method for {parts} with {self.headers} and {body}"
        error = {"error": "ECHO", "error_description": text}
        batch = {"result": {"result": [], "result_error": [error] * 50}}
        is_batch = self.path.endswith("/batch")
        answer = json.dumps(batch if is_batch else error).encode()
        self.send_response(200 if is_batch else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing, because request lines contain webhooks."""
