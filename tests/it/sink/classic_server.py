"""Runs Python's own DebuggingServer on a free port, as `python -m smtpd -n [-u] -c DebuggingServer` does, and prints the port
to standard error. The argument is "plain", or "utf8" for `-u`. Python 3.11 is the last version that has the server.
"""

import asyncore
import smtpd
import sys

server = smtpd.DebuggingServer(("127.0.0.1", 0), None, None, enable_SMTPUTF8=sys.argv[1] == "utf8")
print("SMTP on", server.socket.getsockname()[1], file=sys.stderr, flush=True)
asyncore.loop()
