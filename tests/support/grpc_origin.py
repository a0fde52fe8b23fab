"""A gRPC origin on 9443 with grpcio: the service lab.Echo, whose messages are `message Text { string text = 1; }`, and lab.v1.People
(aegis-dlp/tests/support/proto/people.proto) with a method that no descriptor has."""

import json, os
from concurrent.futures import ThreadPoolExecutor

import grpc

log = open(os.environ["LOG"], "a", buffering=1)


def saw(**what):
    log.write(json.dumps(what) + "\n")


def text(message):
    # One field, one length byte: the laboratory's texts are short.
    return message[2:].decode()


def unary(message, context):
    saw(kind="unary", text=text(message), metadata=[pair for pair in context.invocation_metadata()])
    context.send_initial_metadata((("x-initial", "yes"),))
    context.set_trailing_metadata((("x-trailing", "yes"), ("x-bytes-bin", b"\x00\x01")))
    if "fail" in text(message):
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing here, größer")
    return message


def collect(messages, context):
    texts = []
    for message in messages:
        texts.append(text(message))
        saw(kind="collect", text=texts[-1])
    joined = ",".join(texts).encode()
    return b"\x0a" + bytes([len(joined)]) + joined


def each(message, context):
    for n in range(3):
        yield message
    context.set_trailing_metadata((("x-trailing", "each"),))


def both(messages, context):
    try:
        for message in messages:
            saw(kind="both", text=text(message))
            yield message
        saw(kind="both_end")
    except grpc.RpcError:
        pass


def raw(name):
    def answer(message, context):
        saw(kind="raw", path=name, hex=message.hex())
        # An Answer: ssn 523456789, card 4111111111111111.
        return b"\x0a\x09523456789\x10\xc7\xe3\xa3\xab\x8a\xe1\xa6\x07"

    return answer


METHODS = {
    "/lab.v1.People/Add": grpc.unary_unary_rpc_method_handler(raw("Add")),
    "/lab.v1.People/Unknown": grpc.unary_unary_rpc_method_handler(raw("Unknown")),
    "/lab.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
    "/lab.Echo/Collect": grpc.stream_unary_rpc_method_handler(collect),
    "/lab.Echo/Each": grpc.unary_stream_rpc_method_handler(each),
    "/lab.Echo/Both": grpc.stream_stream_rpc_method_handler(both),
}


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return METHODS.get(details.method)


def read(name):
    with open(os.environ[name], "rb") as file:
        return file.read()


server = grpc.server(ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((Echo(),))
server.add_secure_port("[::]:9443", grpc.ssl_server_credentials([(read("KEY"), read("CERT"))]))
server.start()
saw(kind="ready")
server.wait_for_termination()
