"""A stand-in of hawkBit for one target: the part of its DDI API that a device
meets (Eclipse hawkBit, "Direct Device Integration API"). It keeps what the device
says, in order, and closes an update when the device does.
"""

import hashlib
import http.server
import json
import re
import threading
from pathlib import Path


class HawkBit:
    """A server on this side of the box's network."""

    def __init__(self, target, token, poll="00:00:05"):
        self.target, self.token, self.poll = target, token, poll
        self.lock = threading.Lock()
        self.said = []
        self.attributes = {}
        self.ask_attributes = True
        self.polls = self.refused = self.fetched = 0
        self.action = 0
        self.bundle = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        """As the box reaches it."""
        return f"http://10.0.2.2:{self.server.server_port}"

    def offer(self, bundle, version):
        """Assigns a bundle to the target."""
        with self.lock:
            self.action += 1
            self.said = []
            self.fetched = 0
            self.bundle = (Path(bundle), version)

    def closed(self):
        """How the last update ended, if it did: what the device closed it with."""
        with self.lock:
            ends = [status["result"]["finished"] for status in self.said if status["execution"] == "closed"]
            return ends[0] if ends else None

    def details(self):
        """All that the device said of the last update."""
        with self.lock:
            return [line for status in self.said for line in status.get("details", [])]

    def _handler(self):
        hawkbit = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hawkbit._get(self)

            def do_POST(self):
                hawkbit._told(self)

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        return Handler

    def _answer(self, request, body, status=200):
        text = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("content-type", "application/hal+json")
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def _known(self, request):
        """Whether the token is right; everything else is somebody else's."""
        if request.headers.get("authorization") == f"TargetToken {self.token}":
            return True
        self.refused += 1
        self._answer(request, {"errorCode": "hawkbit.server.error.unauthorized"}, 401)
        return False

    def _get(self, request):
        own = f"/DEFAULT/controller/v1/{self.target}"
        if not self._known(request):
            return
        if request.path == own:
            links = {}
            with self.lock:
                self.polls += 1
                if self.ask_attributes:
                    links["configData"] = {"href": f"{self.url}{own}/configData"}
                if self.bundle and not any(status["execution"] == "closed" for status in self.said):
                    links["deploymentBase"] = {"href": f"{self.url}{own}/deploymentBase/{self.action}?c=1"}
            self._answer(request, {"config": {"polling": {"sleep": self.poll}}, "_links": links})
        elif re.fullmatch(rf"{own}/deploymentBase/{self.action}(\?.*)?", request.path):
            self._answer(request, self._deployment(own))
        elif request.path == f"{own}/softwaremodules/1/artifacts/bundle.raucb":
            self._send(request)
        else:
            self._answer(request, {"errorCode": "hawkbit.server.error.repo.entitiyNotFound"}, 404)

    def _deployment(self, own):
        file, version = self.bundle
        content = file.read_bytes()
        sums = {name: hashlib.new(name, content).hexdigest() for name in ("sha1", "md5", "sha256")}
        artifact = {"filename": "bundle.raucb", "hashes": sums, "size": len(content),
                    "_links": {"download-http": {"href": f"{self.url}{own}/softwaremodules/1/artifacts/bundle.raucb"}}}
        chunk = {"part": "os", "version": version, "name": "callbox", "artifacts": [artifact]}
        return {"id": str(self.action), "deployment": {"download": "forced", "update": "forced", "chunks": [chunk]}}

    def _send(self, request):
        content = self.bundle[0].read_bytes()
        request.send_response(200)
        request.send_header("content-type", "application/octet-stream")
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        for at in range(0, len(content), 1 << 16):
            request.wfile.write(content[at:at + (1 << 16)])
            with self.lock:
                self.fetched = min(at + (1 << 16), len(content))

    def _told(self, request):
        body = json.loads(request.rfile.read(int(request.headers.get("content-length", 0))))
        if not self._known(request):
            return
        with self.lock:
            if request.path.endswith("/configData"):
                self.attributes = body["data"]
                self.ask_attributes = False
            elif request.path.endswith(f"/deploymentBase/{self.action}/feedback"):
                self.said.append(body["status"])
        self._answer(request, {})
