"""Process of the demo's switch that forwards the routes of ExaBGP to the demo's socket, line by line."""

import os
import socket
import sys


def main() -> None:
    """Copy stdin to the Unix socket given as first argument."""
    with socket.socket(socket.AF_UNIX) as demo:
        demo.connect(sys.argv[1])
        while data := os.read(sys.stdin.fileno(), 1 << 16):
            demo.sendall(data)


if __name__ == "__main__":
    main()
