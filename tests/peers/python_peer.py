"""A Python program that does over the network what the book's example does.

    python_peer.py server           the server
    python_peer.py client NAME ...  clients, one after another
"""

import socket
import sys

ADDRESS = ("localhost", 50008)
mode, *names = sys.argv[1:]
for name in names:
    with socket.create_connection(ADDRESS) as conn:
        conn.sendall(name.encode())
        print("client got: [%s]" % conn.recv(1024))
if mode == "server":
    # Like Deno, it listens at the first address that localhost has, and has a
    # backlog that a benchmark does not fill.
    family = socket.getaddrinfo(*ADDRESS)[0][0]
    listener = socket.create_server(ADDRESS, family=family, backlog=511)
    print("listening", flush=True)
    while True:
        conn, _ = listener.accept()
        conn.sendall(b"server got: [%a]" % conn.recv(1024))
