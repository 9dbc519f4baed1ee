"""A backend that knows two people by their tokens. Python's standard library, and nothing else."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PEOPLE = {
    "a-token-of-ann": {"id": "ann", "name": "Ann", "role": "admin"},
    "a-token-of-bob": {"id": "bob", "name": "Bob", "role": "guest"},
}


class Who(BaseHTTPRequestHandler):
    def do_GET(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        known = PEOPLE.get(token) if self.path == "/who" and scheme == "Bearer" else None
        body = json.dumps(known or {"error": "nobody has this token"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    server = ThreadingHTTPServer(("127.0.0.1", port), Who)
    print(f"who is who: http://127.0.0.1:{server.server_port}/who", flush=True)
    server.serve_forever()
