"""Connects in the ways that end careless servers.

    faults.py reset COUNT         connects and resets, COUNT times
    faults.py reset-after COUNT   the same, but sends a message first
    faults.py reset-late COUNT    the same, but waits a tenth of a second first
    faults.py silent COUNT        COUNT connections at once that send nothing
    faults.py deaf COUNT          COUNT that send, and do not read the reply
    faults.py burst COUNT         COUNT proper clients at once; prints how many
                                  had the right answer

Silent and deaf clients stay until they are killed.
"""

import selectors
import signal
import socket
import struct
import sys
import time

MESSAGE, REPLY = b"hello", b"server got: [b'hello']"
# Looked up once: a thousand look-ups take longer than a thousand connections.
FAMILY, KIND, _, _, ADDRESS = socket.getaddrinfo(
    "localhost", 50008, type=socket.SOCK_STREAM
)[0]


def reset(connection):
    # To close with a linger time of 0 sends a reset.
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


def connect_all(count):
    """Connects without waiting: the kernel goes on with it."""
    connections = [socket.socket(FAMILY, KIND) for _ in range(count)]
    for connection in connections:
        connection.setblocking(False)
        connection.connect_ex(ADDRESS)
    return connections


def burst(count):
    """Each sends as soon as it is connected. Returns how many were answered."""
    answered = 0
    selector = selectors.DefaultSelector()
    for connection in connect_all(count):
        selector.register(connection, selectors.EVENT_WRITE)
    while selector.get_map():
        for key, _ in selector.select():
            connection = key.fileobj
            try:
                if key.events == selectors.EVENT_WRITE:
                    connection.sendall(MESSAGE)
                    selector.modify(connection, selectors.EVENT_READ)
                    continue
                answered += connection.recv(1024) == REPLY
            except OSError:
                pass
            selector.unregister(connection)
            connection.close()
    return answered


mode, count = sys.argv[1], int(sys.argv[2])
if mode == "burst":
    print(burst(count))
elif mode == "silent":
    connections = connect_all(count)
    print("silent", flush=True)
    signal.pause()
elif mode == "deaf":
    connections = [socket.create_connection(ADDRESS[:2]) for _ in range(count)]
    for connection in connections:
        connection.sendall(MESSAGE)
    print("deaf", flush=True)
    signal.pause()
else:
    for _ in range(count):
        connection = socket.create_connection(ADDRESS[:2])
        if mode == "reset-after":
            connection.sendall(MESSAGE)
        if mode == "reset-late":
            time.sleep(0.1)
        reset(connection)
