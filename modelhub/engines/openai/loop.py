"""An event loop in a thread of its own, for clients that are called from code without one."""

import asyncio

from modelhub.engines.openai.client import Client


def run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped; the target of its thread."""
    loop.run_forever()
    loop.close()


def stop_loop(loop: asyncio.AbstractEventLoop, client: Client) -> None:
    """Close the client's connections and stop the loop, from another thread."""

    async def close() -> None:
        await client.close()
        loop.stop()

    asyncio.run_coroutine_threadsafe(close(), loop)
