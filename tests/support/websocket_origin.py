"""A WebSocket origin: `websockets` on 9443, on 9444 one by hand that answers and speaks in one write, and two that speak
HTTP/2 only: on 9445 one that knows no WebSocket, on 9446 one that takes it (RFC 8441), but for /closed.

/echo gives each message back; /push/TEXT says TEXT first; /close/CODE closes with it; /count says how many it got, at the end.
"""

import asyncio, base64, hashlib, json, os, ssl, urllib.parse
import h2.config, h2.connection, h2.events, h2.settings
from websockets.asyncio.server import serve
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

log = open(os.environ["LOG"], "a", buffering=1)


def saw(**what):
    log.write(json.dumps(what) + "\n")


async def handler(connection):
    request = connection.request
    extensions = [extension.name for extension in connection.protocol.extensions]
    saw(kind="open", path=request.path, headers=dict(request.headers.raw_items()), extensions=extensions)
    verb, _, rest = request.path.lstrip("/").partition("/")
    rest = urllib.parse.unquote(rest)
    if verb == "push":
        await connection.send(rest)
    if verb == "close":
        await connection.close(int(rest), "as you wish")
    try:
        async for message in connection:
            text = message if isinstance(message, str) else "hex:" + message.hex()
            saw(kind="message", path=request.path, text=text[:2000], length=len(message))
            if verb in ("echo", "push"):
                await connection.send(message)
    finally:
        await connection.wait_closed()
        saw(kind="closed", path=request.path, code=connection.close_code, reason=connection.close_reason)


async def by_hand(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(":", 1)[1].strip() for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    if "GET /plain" in head:
        answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"
    if "GET /wrong" in head:
        answer = answer.replace(accept, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    frames = b"".join(b"\x81" + bytes([len(text)]) + text for text in (b"first", b"second", b"third"))
    saw(kind="by_hand", path=head.split(" ")[1])
    writer.write(answer.encode() + frames + b"\x88\x02\x03\xe8")
    await writer.drain()
    await reader.read()
    writer.close()


async def h2_only(reader, writer):
    """Says what every HTTP/2 server says first: its settings."""
    writer.write(b"\0\0\0\x04\0\0\0\0\0")
    await writer.drain()
    await reader.read()
    writer.close()


async def extended(reader, writer):
    """One stream a connection; each message comes back."""
    c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    c.initiate_connection()
    c.update_settings({h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
    frames, talks = StreamReader(), None

    def talk(stream, path):
        code = None
        while code is None:
            try:
                frame = yield from Frame.parse(frames.read_exact, mask=True)
            except EOFError:
                break
            opcode = Opcode.PONG if frame.opcode == Opcode.PING else frame.opcode
            if opcode == Opcode.CLOSE:
                code = int.from_bytes(frame.data[:2], "big")
            elif opcode == Opcode.TEXT:
                saw(kind="message", path=path, text=bytes(frame.data).decode())
            c.send_data(stream, Frame(opcode, frame.data).serialize(mask=False), end_stream=code is not None)
        saw(kind="closed", path=path, code=code)
        while True:
            yield

    async def flush():
        writer.write(c.data_to_send())
        await writer.drain()

    await flush()
    while data := await reader.read(65536):
        for event in c.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                head = dict(event.headers)
                saw(kind="open", path=head[":path"], headers=head)
                taken = head[":method"] == "CONNECT" and head[":protocol"] == "websocket" and head[":path"] != "/closed"
                c.send_headers(event.stream_id, [(":status", "200" if taken else "404")], end_stream=not taken)
                talks = talk(event.stream_id, head[":path"]) if taken else None
            if isinstance(event, h2.events.DataReceived):
                c.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                frames.feed_data(event.data)
            if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)) and not frames.eof:
                frames.feed_eof()
            if talks is not None:
                next(talks)
        await flush()
    writer.close()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
    async with serve(handler, "::", 9443, ssl=context, max_size=64 * 1024 * 1024):
        only = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        only.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
        only.set_alpn_protocols(["h2"])
        async with (
            await asyncio.start_server(by_hand, "::", 9444, ssl=context),
            await asyncio.start_server(h2_only, "::", 9445, ssl=only),
            await asyncio.start_server(extended, "::", 9446, ssl=only),
        ):
            saw(kind="ready")
            await asyncio.Future()


asyncio.run(main())
