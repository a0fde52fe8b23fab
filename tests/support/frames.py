"""HTTP/2 frames by hand (RFC 9113), for what no client library would send. Put in front of a test's own program."""

import socket, ssl, struct, sys, time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)


def connect(port=443, alpn="h2"):
    context = ssl.create_default_context()
    context.set_alpn_protocols([alpn])
    raw = socket.create_connection(("api.allowed.test", port), timeout=15)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname="api.allowed.test")


def talk(port=443, settings=b""):
    stream = connect(port)
    stream.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
    return stream


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def fields(*pairs):
    """A header block of literals, with any bytes at all in names and values."""

    def text(s):
        s = s.encode() if isinstance(s, str) else s
        size = bytes([len(s)]) if len(s) < 127 else b"\x7f" + varint(len(s) - 127)
        return size + s

    def varint(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)

    return b"".join(b"\x00" + text(name) + text(value) for name, value in pairs)


def head(path="/hello", extra=(), method="GET"):
    pairs = [(":method", method), (":scheme", "https"), (":authority", "api.allowed.test"), (":path", path), *extra]
    return hpack.Encoder().encode(pairs, huffman=False)


def frames_in(stream, seconds=10):
    """Frames as they come; ends with the connection. A silent one is `TimeoutError`."""
    stream.settimeout(seconds)
    got = b""
    while True:
        while len(got) < 9 or len(got) < 9 + int.from_bytes(got[:3], "big"):
            try:
                piece = stream.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                return
            if not piece:
                return
            got += piece
        size = int.from_bytes(got[:3], "big")
        yield got[3], got[4], int.from_bytes(got[5:9], "big"), got[9 : 9 + size]
        got = got[9 + size :]


def outcome(stream, number=1, seconds=10):
    """What became of a stream: its status, how it was reset, or how the connection ended."""
    decoder = hpack.Decoder()
    try:
        for kind, flags, on, payload in frames_in(stream, seconds):
            if kind == SETTINGS and not flags & 1:
                stream.sendall(frame(SETTINGS, 1, 0))
            elif kind == HEADERS:
                answer = dict(decoder.decode(payload))
                if on == number and answer[":status"] != "100":
                    return answer[":status"] + (" grpc " + answer["grpc-status"] if "grpc-status" in answer else "")
            elif kind == RST_STREAM and on == number:
                return f"reset {int.from_bytes(payload, 'big')}"
            elif kind == GOAWAY and int.from_bytes(payload[4:8], "big"):
                return f"goaway {int.from_bytes(payload[4:8], 'big')}"
    except TimeoutError:
        return "open"
    except OSError:
        pass
    return "closed"
