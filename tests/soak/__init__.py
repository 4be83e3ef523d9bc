"""24 hours in little: what a day brings to one real agent, in minutes, and what it leaves behind.

    python -m tests.soak

The agent serves 20 services. It is checked 400 times a second, its store's connection is cut (each 25th time
for longer than the session lives), other nodes come and go, its configuration is read anew, good ones and bad
ones, its metrics and its status page are looked at. After each hour its memory, threads and descriptors are
read; and every warning in its log has to be one that we have caused.
"""
