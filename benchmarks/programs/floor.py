"""The least that a job can cost with awscrt: three round trips, and a process for each step.

It keeps nothing, checks nothing and reports nothing but the end. It is given a file with
its settings.
"""

import json
import os
from pathlib import Path
from queue import SimpleQueue
import socket
import subprocess
import sys
import threading
from typing import Any

from awscrt import mqtt5
from awsiot import mqtt5_client_builder

_QOS = mqtt5.QoS.AT_LEAST_ONCE

type Message = tuple[str, dict[str, Any]]


class Floor:
    """One connection, on which one thing happens after the other."""

    def __init__(self, given: dict[str, Any]) -> None:
        """Connect, subscribe, and ask for a job; with `no_delay`, the socket gets TCP_NODELAY."""
        self._jobs = f"$aws/things/{given['thing_name']}/jobs"
        self._handlers = Path(given["handlers"])
        self._messages = SimpleQueue[Message]()
        connected = threading.Event()
        self._client = mqtt5_client_builder.mtls_from_bytes(
            given["certificate"].encode(),
            given["private_key"].encode(),
            endpoint=given["endpoint"],
            port=given["port"],
            ca_bytes=given["root_ca"].encode(),
            client_id=given["thing_name"],
            keep_alive_interval_sec=60,
            on_publish_received=self._received,
            on_lifecycle_connection_success=lambda _: connected.set(),
        )
        self._client.start()
        if not connected.wait(20):
            raise TimeoutError("there is no connection")
        if given["no_delay"]:
            _set_no_delay(given["port"])
        self._subscribe()
        self._publish("start-next", {})

    def run(self) -> None:
        """Run jobs for ever."""
        while True:
            topic, message = self._messages.get()
            if "execution" not in message:
                continue
            if topic == "notify-next":
                self._publish("start-next", {})
            elif topic == "start-next/accepted":
                self._run_job(message["execution"])

    def _run_job(self, execution: dict[str, Any]) -> None:
        job_id = execution["jobId"]
        self._update(job_id, "IN_PROGRESS")
        for step in execution["jobDocument"]["steps"]:
            handler = self._handlers / step["action"]["input"]["handler"]
            subprocess.run([handler, ""], stdout=subprocess.PIPE, check=True)
        self._update(job_id, "SUCCEEDED")

    def _update(self, job_id: str, status: str) -> None:
        """Update an execution, and wait for the answer; what else comes keeps its order."""
        self._publish(f"{job_id}/update", {"status": status})
        others: list[Message] = []
        while (found := self._messages.get())[0] != f"{job_id}/update/accepted":
            others.append(found)
        for other in others:
            self._messages.put(other)

    def _received(self, data: mqtt5.PublishReceivedData) -> None:
        packet = data.publish_packet
        topic = packet.topic.removeprefix(f"{self._jobs}/")
        self._messages.put((topic, json.loads(packet.payload)))

    def _publish(self, topic: str, message: dict[str, Any]) -> None:
        payload = json.dumps(message)
        self._client.publish(
            mqtt5.PublishPacket(
                topic=f"{self._jobs}/{topic}", qos=_QOS, payload=payload
            )
        )

    def _subscribe(self) -> None:
        heard = (
            "start-next/accepted",
            "start-next/rejected",
            "+/update/accepted",
            "+/update/rejected",
            "notify-next",
        )
        packet = mqtt5.SubscribePacket(
            subscriptions=[
                mqtt5.Subscription(topic_filter=f"{self._jobs}/{topic}", qos=_QOS)
                for topic in heard
            ]
        )
        self._client.subscribe(packet).result(20)


def _set_no_delay(port: int) -> None:
    """Set the option of the socket that leads to a port: it belongs to all its duplicates."""
    done = 0
    for entry in tuple(Path("/proc/self/fd").iterdir()):
        try:
            duplicate = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        with duplicate:
            if _peer_port(duplicate) == port:
                duplicate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                done += 1
    if done != 1:
        raise RuntimeError(f"the connection has {done} sockets instead of one")


def _peer_port(connection: socket.socket) -> int | None:
    try:
        address = connection.getpeername()
    except OSError:
        return None
    return int(address[1]) if isinstance(address, tuple) else None


if __name__ == "__main__":
    Floor(json.loads(Path(sys.argv[1]).read_bytes())).run()
