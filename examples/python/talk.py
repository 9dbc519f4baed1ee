#!/usr/bin/env python3
"""Talks to a gateway, line by line.

Reads `ask ID [JSON]` and `send ID [JSON]`, and prints what comes of them: `= value` or `! error` for what was asked,
`< id data` for an event, `* words` about the connection. Ends with its input; with 1 when the gateway asks not to come back.
"""
import argparse, asyncio, json, os, sys

import client as tengen


def show(sign, *values):
    words = (value if isinstance(value, str) else json.dumps(value, default=str) for value in values)
    print(sign, *words, flush=True)


async def say(client, verb, id="", data="null"):
    """Waits for a connection, and for the reply to what is asked."""
    await client.opened.wait()
    try:
        if verb == "ask":
            show("=", json.dumps(await client.ask(id, json.loads(data)), default=str))
        elif verb == "send":
            await client.send(id, json.loads(data))
        else:
            show("!", "a line is `ask ID JSON` or `send ID JSON`")
    except tengen.Refused as error:
        show("!", *error.args)
    except (OSError, ValueError) as error:
        show("!", f"{type(error).__name__}: {error}")


async def talk(client):
    while line := (await asyncio.to_thread(sys.stdin.readline)).split(maxsplit=2):
        await say(client, *line)


async def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("url", help="as in ws://127.0.0.1:8080/ws")
    options.add_argument("--format", choices=["json", "msgpack"], default="json")
    options.add_argument("--token", help="for an endpoint with an authenticator")
    options.add_argument("--patience", type=float, default=tengen.PATIENCE, help="seconds for an answer to a ping")
    options = options.parse_args()
    tengen.PATIENCE = options.patience
    client = tengen.Client(options.url, options.format, options.token,
                           heard=lambda id, data: show("<", id, data), told=lambda words: show("*", words))
    open, lines = asyncio.create_task(client.run()), asyncio.create_task(talk(client))
    await asyncio.wait([open, lines], return_when=asyncio.FIRST_COMPLETED)
    if open.done():
        show("*", open.result(), "for good")
        os._exit(1)  # Another thread still waits for a line.
    open.cancel()
    await asyncio.gather(open, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
