"""Sends the mails of the comparison with Python's DebuggingServer. The arguments are port and "plain" or "utf8".

The client is the same for both servers, since it sends what a server offers.
"""

import smtplib
import sys

port, mode = int(sys.argv[1]), sys.argv[2]

MAILS = [
    b"From: me@example.com\r\nTo: ann@example.com\r\nSubject: it's a \"test\"\r\n\r\nHello, Ann!\r\n",
    # Bytes beyond ASCII, tabs, backslashes, both quotes.
    b"Subject: \xc3\xbc \xff\r\nX-Folded: a\r\n\tb\r\n\r\n'\"\\ \t \x07 \x7f \x80\r\n",
    # Dots, empty lines, spaces at the end.
    b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n\r\n\r\nend  \r\n\r\n",
    # No body, no headers, neither.
    b"Subject: no body\r\n",
    b"\r\nno headers\r\n",
    b"\r\n",
    # A line of more than 998 bytes.
    b"Subject: long\r\n\r\n" + b"x" * 2000 + b"\r\n",
]

with smtplib.SMTP("127.0.0.1", port) as server:
    if mode == "plain":
        for mail in MAILS:
            server.sendmail("me@example.com", ["ann@example.com", "bob@example.com"], mail)
        # smtplib adds SIZE if it is offered. BODY is set by the caller.
        server.sendmail("me@example.com", ["ann@example.com"], MAILS[1], mail_options=["body=8bitmime"])
        server.sendmail("", ["ann@example.com"], MAILS[0])
    else:
        options = ["SMTPUTF8", "BODY=8BITMIME"]
        server.sendmail("jörg@example.com", ["ann@example.com"], MAILS[1], mail_options=options)

# A client that says HELO can send no parameters.
if mode == "plain":
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.helo()
        server.sendmail("me@example.com", ["ann@example.com"], MAILS[0])
