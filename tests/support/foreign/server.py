"""One gRPC voice core on grpcio: what it says and when is the test's to decide."""
import asyncio

import grpc

from tokens import Tokens
from wire import SERVICE, Message, to_bytes, to_json


class Stream:
    """A registered terminal: messages of the test go out through `queue`."""

    def __init__(self, number, task):
        self.number = number
        self.task = task
        self.queue = asyncio.Queue()


class Server:
    def __init__(self, number, say, settings):
        self.number = number
        self.tell = say
        self.settings = settings
        self.streams = 0
        self.newest = None
        self.refusal = None
        self.port = 0
        self.tokens = Tokens(settings) if "client_id" in settings else None

    async def start(self):
        options = [("grpc.so_reuseport", 0)]
        if not self.settings.get("stock_pings"):
            # As it comes, grpcio ends a connection after two pings within five minutes.
            options.append(("grpc.http2.max_ping_strikes", 0))
        self.server = grpc.aio.server(options=options)
        handlers = {method.name: self.handler(method.name) for method in SERVICE.methods}
        generic = grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)
        self.server.add_generic_rpc_handlers((generic,))
        address = f"127.0.0.1:{self.port}"
        if "certificate" in self.settings:
            pair = [open(self.settings[name], "rb").read() for name in ("key", "certificate")]
            credentials = grpc.ssl_server_credentials([tuple(pair)])
            self.port = self.server.add_secure_port(address, credentials)
        else:
            self.port = self.server.add_insecure_port(address)
        await self.server.start()

    def handler(self, rpc):
        async def serve(incoming, context):
            await self.serve(rpc, incoming, context)

        # Bytes go out as the test gives them, so that they may be wrong.
        return grpc.stream_stream_rpc_method_handler(serve, Message.FromString, lambda message: message)

    def say(self, stream, event, **more):
        self.tell({"server": self.number, "stream": stream, "event": event, **more})

    async def serve(self, rpc, incoming, context):
        if self.refusal:
            await context.abort(grpc.StatusCode[self.refusal], "refused by the test")
        if self.tokens:
            authorization = dict(context.invocation_metadata()).get("authorization", "")
            method, _, token = authorization.partition(" ")
            if method != "Bearer" or token not in self.tokens.valid:
                self.say(0, "token-refused", authorization=authorization)
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no valid token")
        self.streams += 1
        stream = self.newest = Stream(self.streams, asyncio.current_task())
        self.say(stream.number, "opened", rpc=rpc)
        reader = asyncio.ensure_future(self.read(stream, incoming))
        try:
            await self.send_headers(context)
            while (item := await stream.queue.get()) is not None:
                if isinstance(item, tuple):
                    await context.abort(*item)
                await context.write(item)
        finally:
            reader.cancel()
            if self.newest is stream:
                self.newest = None
            self.say(stream.number, "ended")

    async def send_headers(self, context):
        """At once, later, or (0) with the first message, as many servers do."""
        delay = self.settings.get("headers_after_ms")
        if delay:
            await asyncio.sleep(delay / 1000)
        if delay != 0:
            await context.send_initial_metadata(())

    async def read(self, stream, incoming):
        try:
            async for message in incoming:
                self.say(stream.number, "message", message=to_json(message))
        finally:
            stream.queue.put_nowait(None)

    def send(self, command):
        if not self.newest:
            raise RuntimeError("no terminal is registered")
        for message in command.get("messages", [command]):
            self.newest.queue.put_nowait(to_bytes(message))

    def end(self, status, detail):
        """Ends the stream behind what was sent: OK, or another status."""
        item = None if status == "OK" else (grpc.StatusCode[status], detail)
        self.newest.queue.put_nowait(item)

    async def cut(self):
        """Breaks every connection and listens again on the same port."""
        await self.server.stop(0)
        await self.start()
