"""What one would write instead of the producer: a websocket client that puts trades on Kafka, without a journal.

Whatever Kafka has not acknowledged when it is killed is lost.
"""

import json
import sys

from confluent_kafka import Producer
from websocket import create_connection

from market_pipeline.broker.client import client_config
from market_pipeline.settings import Settings


def main(url: str) -> int:
    settings = Settings.load()
    producer = Producer(
        client_config(settings) | {"partitioner": "murmur2_random", "queue.buffering.max.messages": 1_000_000}
    )
    socket = create_connection(url)
    for symbol in settings.symbols:
        socket.send(json.dumps({"type": "subscribe", "symbol": symbol}))
    while frame := socket.recv():
        message = json.loads(frame)
        for trade in message["data"] if message.get("type") == "trade" else ():
            while True:
                try:
                    producer.produce(settings.topic, key=trade["s"], value=json.dumps(trade))
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.poll(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
