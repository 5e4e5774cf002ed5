"""client.py TRANSPORT URL: two users write to each other with python-socketio.

TRANSPORT is polling, websocket, upgrade, or broken where no WebSocket comes through. Exit code 0 when
every message has arrived once and in order, on the transport that the clients had to end up on.
"""

import sys
import threading
import time

import socketio

MESSAGES = 12
PATIENCE = 10

TRANSPORTS = {
    "polling": (["polling"], "polling"),
    "websocket": (["websocket"], "websocket"),
    "upgrade": (["polling", "websocket"], "websocket"),
    "broken": (["polling", "websocket"], "polling"),
}


class Device:
    def __init__(self, url, transport, name, peer):
        self.transports, self.last = TRANSPORTS[transport]
        self.texts = []
        self.errors = []
        self.online = threading.Event()
        self.client = socketio.Client(reconnection=False)
        self.client.on("dm-message", lambda message: self.texts.append(message["text"]))
        self.client.on("dm-error", self.errors.append)
        self.client.on("online-users", lambda users: self.online.set())
        self.client.connect(url, transports=self.transports, wait_timeout=PATIENCE)
        self.client.emit("set-username", name)
        assert self.online.wait(PATIENCE), f"{name} does not come online"
        assert self.client.call("start-dm", peer, timeout=PATIENCE) == {}


def main(transport, url):
    names = ["alice", "bob"]
    devices = [Device(url, transport, name, peer) for name, peer in zip(names, reversed(names))]
    for at in range(MESSAGES):
        for name, device in zip(names, devices):
            device.client.emit("dm-message", f"{name} {at}")
        time.sleep(1)
    deadline = time.monotonic() + PATIENCE
    for device in devices:
        while len(device.texts) < len(names) * MESSAGES and time.monotonic() < deadline:
            time.sleep(0.05)
        for name in names:
            got = [text for text in device.texts if text.startswith(name)]
            assert got == [f"{name} {at}" for at in range(MESSAGES)], got
        assert device.errors == [], device.errors
        assert device.client.transport() == device.last, device.client.transport()
    for device in devices:
        device.client.disconnect()


main(*sys.argv[1:])
