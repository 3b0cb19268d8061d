"""Sends a mail by aiosmtplib. The arguments are host and port."""

import asyncio
import os
import sys
from email.message import EmailMessage

import aiosmtplib

message = EmailMessage()
message["From"], message["To"], message["Subject"] = (os.environ[key] for key in ("FROM", "TO", "SUBJECT"))
message.set_content(os.environ["TEXT"])
asyncio.run(aiosmtplib.send(message, hostname=sys.argv[1], port=int(sys.argv[2])))
