"""Sends a mail by Django's send_mail. The argument is the text of a settings module."""

import os
import sys

from django.conf import settings
from django.core.mail import send_mail

module = {}
exec(sys.argv[1], module)
settings.configure(**{key: value for key, value in module.items() if key.isupper()})
send_mail(os.environ["SUBJECT"], os.environ["TEXT"], os.environ["FROM"], [os.environ["TO"]])
