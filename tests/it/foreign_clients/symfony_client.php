<?php
// Sends a mail by Symfony Mailer. The argument is a line of .env.

require "Symfony/Component/Mailer/autoload.php";

use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport;
use Symfony\Component\Mime\Email;

[, $dsn] = explode("=", $argv[1], 2);
(new Mailer(Transport::fromDsn($dsn)))->send(
    (new Email())->from(getenv("FROM"))->to(getenv("TO"))->subject(getenv("SUBJECT"))->text(getenv("TEXT"))
);
