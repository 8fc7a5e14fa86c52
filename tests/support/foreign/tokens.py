"""A token endpoint: client credentials by HTTP Basic only (RFC 6749 sections 2.3.1, 4.4)."""
import base64
import http.server
import json
import secrets
import ssl
import threading
import urllib.parse

SCOPE = "call.control.answer_and_initiate"


class Tokens:
    def __init__(self, settings):
        self.client = (settings["client_id"], settings["client_secret"])
        self.valid = set()
        handler = type("Handler", (Handler,), {"tokens": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["certificate"], settings["key"])
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]

    def issue(self):
        token = secrets.token_urlsafe(24)
        self.valid.add(token)
        return token


class Handler(http.server.BaseHTTPRequestHandler):
    tokens = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        form = dict(urllib.parse.parse_qsl(body))
        method, _, code = self.headers.get("authorization", "").partition(" ")
        given = base64.b64decode(code).decode() if method == "Basic" else ""
        client = tuple(urllib.parse.unquote_plus(part) for part in given.split(":", 1))
        if client != self.tokens.client:
            return self.say(401, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials" or "client_secret" in form:
            return self.say(400, {"error": "invalid_request"})
        if form.get("scope") != SCOPE:
            return self.say(400, {"error": "invalid_scope"})
        token = self.tokens.issue()
        return self.say(200, {"access_token": token, "expires_in": 3599, "scope": SCOPE, "token_type": "bearer"})

    def say(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The test's own log is enough."""
