"""A ledger that is killed between the records of a transaction and its end.

`python unfinished.py BOOTSTRAP PREFIX PARTITION`, dial requests on stdin.
"""

import asyncio
import sys
import time

from aiokafka import AIOKafkaProducer


async def main(bootstrap: str, prefix: str, partition: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{prefix}.unfinished", transaction_timeout_ms=60_000)
    await producer.start()
    await producer.begin_transaction()
    for line in sys.stdin.buffer:
        await producer.send_and_wait(f"{prefix}.dial-requests", line.strip(), key=b"x", partition=int(partition))
    print("written", flush=True)  # noqa: T201  whoever started it waits for this
    time.sleep(600)  # noqa: ASYNC251  it is killed here


asyncio.run(main(*sys.argv[1:]))
