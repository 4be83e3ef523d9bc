"""Runs below the demo's switch and passes on what ExaBGP learns there, line by line, to the demo's socket."""

import os
import socket
import sys


def main() -> None:
    """Copy stdin to the Unix socket that the first argument names."""
    with socket.socket(socket.AF_UNIX) as demo:
        demo.connect(sys.argv[1])
        while data := os.read(sys.stdin.fileno(), 1 << 16):
            demo.sendall(data)


if __name__ == "__main__":
    main()
