"""Flower's own configuration, which it reads from the folder it is started in.

It shows and changes nothing, and writes its lines as every other process does.
"""

from gateway.kernel import logs

logs.configure("flower")
read_only = True
