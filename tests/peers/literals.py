"""Prints messages and Python's own idea of their replies, a pair of hex words a line:
each single byte first, then random messages of 1 to 1024 bytes."""

import random

random.seed(50008)
ALPHABETS = [bytes(range(256)), b"'\"\\", b"'x", b'"x', b"\t\n\r\0\x7f\x80 ~"]
messages = [bytes([byte]) for byte in range(256)]
for number in range(3000):
    alphabet = ALPHABETS[number % len(ALPHABETS)]
    messages.append(bytes(random.choices(alphabet, k=random.randint(1, 1024))))
for message in messages:
    reply = "server got: [%s]" % message
    print(message.hex(), reply.encode().hex())
