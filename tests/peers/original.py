"""The book's example as other programs see it, for the tests to talk to.

    original.py              a server and five clients, in threads
    original.py server       the server alone
    original.py client NAME  one client

The server takes one client at a time, reads once, answers, and drops a
connection only when the next one takes its place. It listens where Deno does:
at the first address that localhost has.
"""

import socket
import sys
import threading

HOST, PORT = "localhost", 50008


def listen():
    found = socket.getaddrinfo(HOST, PORT, type=socket.SOCK_STREAM)
    family, _, _, _, address = found[0]
    return socket.create_server(address, family=family, backlog=5)


def serve(listener):
    while True:
        connection, _ = listener.accept()
        data = connection.recv(1024)
        connection.sendall(b"server got: [%a]" % data)


def talk(name):
    with socket.create_connection((HOST, PORT)) as connection:
        connection.sendall(name.encode())
        reply = connection.recv(1024)
    # In one write, so that threads do not break each other's lines.
    print("client got: [%s]\n" % reply, end="", flush=True)


mode, *names = sys.argv[1:] or ["both"]
if mode == "client":
    for name in names:
        talk(name)
else:
    listener = listen()
    if mode == "server":
        print("listening", flush=True)
        serve(listener)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    for number in range(5):
        threading.Thread(target=talk, args=(f"client{number}",)).start()
