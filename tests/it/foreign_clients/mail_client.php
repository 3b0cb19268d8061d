<?php
// Sends a mail by PHP's mail(), whose sendmail_path comes from php.ini.

$sent = mail(getenv("TO"), "=?UTF-8?B?" . base64_encode(getenv("SUBJECT")) . "?=", getenv("TEXT"), [
    "From" => getenv("FROM"),
    "MIME-Version" => "1.0",
    "Content-Type" => "text/plain; charset=UTF-8",
]);
exit($sent ? 0 : 1);
