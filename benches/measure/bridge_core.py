#!/usr/bin/env python3
"""A voice core that joins two boxes: what one says in its call goes to the other as it is.
bridge_core.py PROTO_DIR [ADDRESS:PORT]. Prints one line for every box that registers."""
import os
import queue
import sys
import tempfile
import threading
from concurrent import futures

import grpc
import grpc_tools
from grpc_tools import protoc

proto = sys.argv[1]
stubs = tempfile.mkdtemp()
well_known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
files = ["wgtwo/common/v0/phone_number.proto", "wgtwo/webterminal/v0/webterminal.proto"]
protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={stubs}", f"--grpc_python_out={stubs}", *files])
sys.path.insert(0, stubs)
from wgtwo.webterminal.v0 import webterminal_pb2 as pb  # noqa: E402
from wgtwo.webterminal.v0 import webterminal_pb2_grpc as service  # noqa: E402

boxes: list[queue.Queue] = []


class Bridge(service.WebTerminalServiceServicer):
    """`Pipe` for two boxes."""

    def Pipe(self, requests, context):
        mine = queue.Queue()
        boxes.append(mine)
        print(f"box {len(boxes)}", flush=True)
        idle = pb.WebTerminalMessage()
        idle.idle.SetInParent()
        mine.put(idle)

        def read():
            try:
                for message in requests:
                    for other in [box for box in boxes if box is not mine]:
                        if message.HasField("offer"):
                            message.offer.msisdn.e164 = "+4700000009"
                        other.put(message)
            except grpc.RpcError:
                pass
            mine.put(None)

        threading.Thread(target=read, daemon=True).start()
        while (message := mine.get()) is not None:
            yield message
        boxes.remove(mine)


# Boxes in a call ask every 1.5 s whether the link lives.
options = [("grpc.http2.min_recv_ping_interval_without_data_ms", 500), ("grpc.http2.max_ping_strikes", 0)]
server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
service.add_WebTerminalServiceServicer_to_server(Bridge(), server)
server.add_insecure_port(sys.argv[2] if len(sys.argv) > 2 else "0.0.0.0:8443")
server.start()
server.wait_for_termination()
