"""Sends a mail by Python's smtplib. The argument is an expression for the connection.

With LOGIN it logs in, and with CA_FILE it requires STARTTLS and a certificate of that authority.
"""

import os
import smtplib
import ssl
import sys
from email.message import EmailMessage

message = EmailMessage()
message["From"], message["To"], message["Subject"] = (os.environ[key] for key in ("FROM", "TO", "SUBJECT"))
message.set_content(os.environ["TEXT"])
context = ssl.create_default_context(cafile=os.environ.get("CA_FILE"))
with eval(sys.argv[1]) as server:
    if "CA_FILE" in os.environ and not isinstance(server, smtplib.SMTP_SSL):
        server.starttls(context=context)
    if "LOGIN" in os.environ:
        server.login("ann", "s3cret")
    server.send_message(message)
