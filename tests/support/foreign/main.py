"""A voice core by other hands: grpcio for signalling, aiortc for media.

Obeys JSON lines on standard input, each answered by one with the same id;
events come between them. Ends when its input ends, so no test can leave it behind.
"""
import asyncio
import json
import sys

from peer import Peer
from server import Server

# A description of a megabyte is a test of its own.
LONGEST_LINE = 64 * 1024 * 1024


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Core:
    def __init__(self):
        self.servers, self.peers = {}, {}

    async def obey(self, command):
        match command["do"]:
            case "serve":
                number = len(self.servers) + 1
                server = self.servers[number] = Server(number, say, command)
                await server.start()
                token_port = server.tokens.port if server.tokens else None
                return {"server": number, "port": server.port, "token_port": token_port}
            case "send":
                return self.servers[command["server"]].send(command)
            case "end":
                return self.servers[command["server"]].end(command["status"], command.get("detail", ""))
            case "refuse":
                self.servers[command["server"]].refusal = command["status"]
            case "revoke":
                self.servers[command["server"]].tokens.valid.clear()
            case "cut":
                return await self.servers[command["server"]].cut()
            case "peer":
                name = len(self.peers) + 1
                self.peers[name] = Peer(name, say, **arguments(command))
                return {"peer": name}
            case (
                "offer" | "answer" | "accept" | "keypad" | "press" | "pressed" | "hear" | "clock" | "save" | "close"
            ) as verb:
                return await getattr(self.peers[command["peer"]], verb)(**arguments(command))
            case other:
                raise ValueError(f"unknown command {other}")

    async def answer(self, command):
        try:
            say({"id": command["id"], "result": await self.obey(command)})
        except Exception as error:
            say({"id": command["id"], "error": f"{type(error).__name__}: {error}"})

    async def close(self):
        await asyncio.gather(*(server.server.stop(0) for server in self.servers.values()))
        await asyncio.gather(*(peer.close() for peer in self.peers.values()))


def arguments(command):
    return {key: value for key, value in command.items() if key not in ("id", "do", "peer")}


async def main():
    core, lines = Core(), asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    say({"event": "ready"})
    tasks = set()
    while line := await lines.readline():
        command = json.loads(line)
        task = asyncio.ensure_future(core.answer(command))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # Commands take effect in order; only what takes its time is done beside them.
        if command["do"] not in ("hear", "press"):
            await task
    await core.close()


asyncio.run(main())
