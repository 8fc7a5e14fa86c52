"""The contract's messages, compiled from proto/ at every start; nothing generated is kept."""
import base64
import importlib
import pathlib
import sys
import tempfile

import grpc_tools
from google.protobuf import json_format
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[3]


def compile_contract():
    out = tempfile.TemporaryDirectory(prefix="callbox-proto-")
    files = sorted(str(file) for file in (ROOT / "proto").rglob("*.proto"))
    common = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{common}", f"--python_out={out.name}"]
    if protoc.main(arguments + files) != 0:
        raise SystemExit("protoc failed")
    sys.path.insert(0, out.name)
    return importlib.import_module("wgtwo.webterminal.v0.webterminal_pb2"), out


pb, _kept = compile_contract()
SERVICE = pb.DESCRIPTOR.services_by_name["WebTerminalService"]
Message = pb.WebTerminalMessage


def to_json(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def to_bytes(command):
    """A message as JSON, or as the very bytes that go on the wire."""
    if "bytes" in command:
        return base64.b64decode(command["bytes"])
    return json_format.ParseDict(command["message"], Message()).SerializeToString()
