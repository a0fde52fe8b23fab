"""LLM APIs that stream, on 9443, as their documentation shows the streams: OpenAI's Responses, Gemini, Bedrock's Converse, Ollama.

Each says one call of a tool and what it cost, in pieces that end anywhere."""

import asyncio, json, os, socket, struct, zlib

import uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

log = open(os.environ["LOG"], "a", buffering=1)


def events(*all):
    named = lambda event: f"event: {event['type']}\n" if "type" in event else ""
    return "".join(f"{named(event)}data: {json.dumps(event)}\n\n" for event in all).encode()


def frame(kind, payload):
    """A message of Amazon's event stream encoding."""
    payload, headers = json.dumps(payload).encode(), b""
    for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    head = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    begun = head + struct.pack(">I", zlib.crc32(head)) + headers + payload
    return begun + struct.pack(">I", zlib.crc32(begun))


def response(usage=None, output=()):
    return {"id": "r", "object": "response", "created_at": 1, "model": "lab-5-2026", "output": list(output), "usage": usage,
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "status": "completed" if usage else "in_progress"}


CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "pay", "arguments": ""}
USAGE = {"input_tokens": 31, "output_tokens": 5, "total_tokens": 36, "input_tokens_details": {"cached_tokens": 7},
         "output_tokens_details": {"reasoning_tokens": 0}}
RESPONSES = events(
    {"type": "response.created", "sequence_number": 0, "response": response()},
    {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": CALL},
    {"type": "response.function_call_arguments.delta", "sequence_number": 2, "item_id": "f", "output_index": 0, "delta": '{"a":'},
    {"type": "response.function_call_arguments.delta", "sequence_number": 3, "item_id": "f", "output_index": 0, "delta": "1}"},
    {"type": "response.output_item.done", "sequence_number": 4, "output_index": 0, "item": CALL | {"arguments": '{"a":1}'}},
    {"type": "response.completed", "sequence_number": 5, "response": response(USAGE, [CALL | {"arguments": '{"a":1}'}])},
)
GEMINI = events(
    {"modelVersion": "gemini-lab-2", "candidates": [{"content": {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"x": 1}}}]}}]},
    {"modelVersion": "gemini-lab-2", "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 2, "thoughtsTokenCount": 3}},
)
CONVERSE = b"".join((
    frame("messageStart", {"role": "assistant"}),
    frame("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"name": "top", "toolUseId": "t"}}}),
    frame("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"n":'}}}),
    frame("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "3}"}}}),
    frame("messageStop", {"stopReason": "tool_use"}),
    frame("metadata", {"usage": {"inputTokens": 6, "outputTokens": 9, "cacheReadInputTokens": 2, "totalTokens": 17}}),
))
LEAK = b"".join((
    frame("messageStart", {"role": "assistant"}),
    frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "the key is AKIAQ3EGRTZYXNMB2LKJ"}}),
    frame("messageStop", {"stopReason": "end_turn"}),
))
OLLAMA = b"".join(json.dumps(line).encode() + b"\n" for line in (
    {"model": "qwen-lab", "message": {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "sum", "arguments": {"a": 1}}}]}, "done": False},
    {"model": "qwen-lab", "done": True, "prompt_eval_count": 20, "eval_count": 4},
))


def route(path, said, media_type):
    async def answer(request):
        log.write(json.dumps({"path": request.url.path, "body": (await request.body()).decode()}) + "\n")

        async def pieces():
            for at in range(0, len(said), 37):
                yield said[at:at + 37]
                await asyncio.sleep(0)

        return StreamingResponse(pieces(), media_type=media_type)

    return Route(path, answer, methods=["POST"])


app = Starlette(routes=[
    route("/v1/responses", RESPONSES, "text/event-stream"),
    route("/v1beta/models/gemini-lab:streamGenerateContent", GEMINI, "text/event-stream"),
    route("/model/lab.model-1/converse-stream", CONVERSE, "application/vnd.amazon.eventstream"),
    route("/model/lab.leak/converse-stream", LEAK, "application/vnd.amazon.eventstream"),
    route("/api/chat", OLLAMA, "application/x-ndjson"),
])
listener = socket.create_server(("::", 9443), family=socket.AF_INET6, dualstack_ipv6=True)
log.write(json.dumps({"listening": True}) + "\n")
config = uvicorn.Config(app, ssl_certfile=os.environ["CERT"], ssl_keyfile=os.environ["KEY"], log_level="warning")
uvicorn.Server(config).run(sockets=[listener])
