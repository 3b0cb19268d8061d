"""Parses mails with Python's email package, and prints as JSON what the sink must return for them.

    python3 expected.py FILE...

Structure, headers, transfer encodings and charsets are parsed by the email package (policy "default"). Three rules of the
sink are implemented here again:
- The text and the HTML of a message are the parts text/plain and text/html that are not attachments, in order, joined by a line
  feed. In multipart/related, a later part with a Content-ID is a file.
- All other parts are files, and so is text with a file name.
- A file without a name gets a name.
"""

import email
import email.policy
import email.utils
import hashlib
import json
import re
import sys


def addresses(header, as_written):
    """Returns names and addresses of a header. The old parser of the package takes a comment behind an address as its name,
    the new one returns no name."""
    if header is None:
        return []
    old = {address: name for name, address in email.utils.getaddresses([str(as_written)])}
    found = []
    for address in header.addresses:
        name = address.display_name or old.get(address.addr_spec, "")
        found.append([name, address.addr_spec])
    return found


def text_of(part):
    if part.get_content_maintype() == "multipart":
        return part.get_payload()
    try:
        return part.get_content()
    except LookupError as error:
        return f"Python: {error}"


def bytes_of(part):
    payload = part.get_payload()
    if isinstance(payload, list):
        # An enclosed message is serialized unchanged.
        policy = part.policy.clone(linesep="\r\n", refold_source="none", mangle_from_=False, cte_type="8bit")
        return b"".join(inner.as_bytes(policy=policy) for inner in payload)
    return part.get_payload(decode=True)


def name_of(part, part_id, kind):
    name = part.get_filename()
    if name:
        return name
    if part["content-id"]:
        return str(part["content-id"]).strip().strip("<>")
    subtype = kind.partition("/")[2]
    ending = {"message/rfc822": "eml", "text/plain": "txt"}.get(kind)
    if ending is None:
        ending = subtype if len(subtype) <= 8 and subtype.isascii() and subtype.isalnum() else "bin"
    return f"part-{part_id}.{ending}"


def leaves(part, part_id, is_related=False):
    if part.get_content_maintype() == "multipart" and isinstance(part.get_payload(), list):
        for number, inner in enumerate(part.get_payload(), 1):
            is_later = part.get_content_subtype() == "related" and number > 1 and bool(inner["content-id"])
            yield from leaves(inner, str(number) if part_id == "0" else f"{part_id}.{number}", is_later)
    else:
        yield part_id, part, is_related


def read(source):
    message = email.message_from_bytes(source, policy=email.policy.default)
    as_written = email.message_from_bytes(source)
    text, html, files = [], [], []
    for part_id, part, is_related in leaves(message, "0"):
        kind = part.get_content_type()
        disposition = part.get_content_disposition() or ""
        is_text = kind in ("text/plain", "text/html") or kind.startswith("multipart/")
        is_body = is_text and disposition in ("", "inline") and not is_related
        if is_body:
            (html if kind == "text/html" else text).append(text_of(part))
        if not is_body or part.get_filename():
            data = bytes_of(part)
            shown = kind if kind in str(part["content-type"]).lower() else "application/octet-stream"
            files.append({
                "id": part_id,
                "type": kind if kind == "message/rfc822" else shown,
                "name": name_of(part, part_id, kind if kind == "message/rfc822" else shown),
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "is_inline": disposition == "inline" or (not disposition and bool(part["content-id"])),
            })
    senders = addresses(message["from"], as_written["from"])
    return {
        "subject": str(message["subject"] or "").strip(),
        "from": senders[0] if senders else ["", ""],
        "to": addresses(message["to"], as_written["to"]),
        # For a mail that has only HTML, the sink returns the text of the HTML.
        "text": "\n".join(part for part in text if part) if any(text) or not any(html) else None,
        "html": "\n".join(part for part in html if part),
        "files": sorted(files, key=lambda file: [int(number) for number in file["id"].split(".")]),
    }


def main():
    expected = {}
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            expected[path] = read(file.read())
    # Bytes that Python could not decode are lone surrogates, which JSON does not have.
    print(re.sub(r"\\ud[89a-f][0-9a-f]{2}(?!\\u)", r"\\ufffd", json.dumps(expected)))


if __name__ == "__main__":
    main()
