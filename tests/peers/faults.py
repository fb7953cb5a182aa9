"""Connects in the ways that end careless servers.

    faults.py reset COUNT         connects and resets, COUNT times
    faults.py reset-after COUNT   the same, but sends a message first
    faults.py reset-late COUNT    the same, but waits a tenth of a second first
    faults.py hold COUNT          COUNT connections at once that stay silent,
                                  until standard input ends
"""

import socket
import struct
import sys
import time


def connect():
    return socket.create_connection(("localhost", 50008))


def reset(connection):
    # To close with a linger time of 0 sends a reset.
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


mode, count = sys.argv[1], int(sys.argv[2])
if mode == "hold":
    connections = [connect() for _ in range(count)]
    print("holding", flush=True)
    sys.stdin.read()
else:
    for _ in range(count):
        connection = connect()
        if mode == "reset-after":
            connection.sendall(b"hello")
        if mode == "reset-late":
            time.sleep(0.1)
        reset(connection)
