"""Sends a mail by Flask-Mail. The argument has its settings: KEY=value, separated by spaces."""

import os
import sys

from flask import Flask
from flask_mail import Mail, Message

app = Flask(__name__)
app.config.update(setting.split("=", 1) for setting in sys.argv[1].split())
mail = Mail(app)
with app.app_context():
    mail.send(
        Message(
            os.environ["SUBJECT"],
            sender=os.environ["FROM"],
            recipients=[os.environ["TO"]],
            body=os.environ["TEXT"],
        )
    )
