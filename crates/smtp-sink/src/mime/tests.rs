use super::*;

/// Returns number, type and decoded bytes of each leaf.
fn leaves(source: &str) -> Vec<(String, String, String)> {
    let message = Message::read(source.as_bytes());
    message
        .leaves()
        .map(|(index, part)| {
            let bytes = String::from_utf8_lossy(&part.bytes()).into_owned();
            (message.part_id(index), part.kind().to_owned(), bytes)
        })
        .collect()
}

fn leaf(id: &str, kind: &str, body: &str) -> (String, String, String) {
    (id.to_owned(), kind.to_owned(), body.to_owned())
}

fn defects(source: &str) -> Vec<Defect> {
    let message = Message::read(source.as_bytes());
    message.parts().iter().flat_map(Part::defects).collect()
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

#[test]
fn parts_are_numbered_as_enmime_numbers_them() {
    let source = format!(
        "{MIXED}preamble\r\n--b\r\nContent-Type: multipart/alternative; boundary=\"b2\"\r\n\r\n--b2\r\n\r\none\r\n\
         --b2 \t\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b2--\r\nepilogue\r\n--b\r\n\r\nthree\r\n\r\n--b--\r\n--b\r\n\r\nnot a part"
    );
    let expected = [
        leaf("1.1", "text/plain", "one"),
        leaf("1.2", "text/html", "two"),
        leaf("2", "text/plain", "three\r\n"),
    ];
    assert_eq!(leaves(&source), expected);
    assert_eq!(leaves(&source.replace("\r\n", "\n")).len(), 3);
    assert_eq!(defects(&source), []);
    let message = Message::read(source.as_bytes());
    for (index, part) in message.leaves() {
        let id = message.part_id(index);
        assert_eq!(message.part_by_id(&id).unwrap().1.body, part.body);
    }
    assert!(message.part_by_id("0").is_none() && message.part_by_id("1").is_none());
    assert_eq!(
        leaves("Subject: x\r\n\r\ntext\r\n"),
        [leaf("0", "text/plain", "text\r\n")]
    );
}

#[test]
fn damage_loses_no_text_and_is_reported() {
    for (source, parts, expected) in [
        // Unclosed, at the end and at an outer boundary.
        (format!("{MIXED}--b\r\n\r\none\r\n"), vec![leaf("1", "text/plain", "one")], vec![Defect::NotClosed]),
        (
            format!(
                "{MIXED}--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
            ),
            vec![leaf("1.1", "text/plain", "one"), leaf("2", "text/plain", "two")],
            vec![Defect::NotClosed],
        ),
        // A boundary is a whole line; white space may follow it.
        (
            format!("{MIXED}--b\r\n\r\nsee --b here\r\n--bc\r\n --b\r\n--b-- no\r\n--b-- \r\n"),
            vec![leaf("1", "text/plain", "see --b here\r\n--bc\r\n --b\r\n--b-- no")],
            vec![],
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--c\r\ntext".to_owned(),
            vec![leaf("0", "multipart/mixed", "--c\r\ntext")],
            vec![Defect::BoundaryNotFound],
        ),
        (
            "Content-Type: multipart/mixed\r\n\r\ntext".to_owned(),
            vec![leaf("0", "multipart/mixed", "text")],
            vec![Defect::NoBoundary],
        ),
        (
            "Subject: x\r\ntext without a blank line\r\nmore: text\r\n".to_owned(),
            vec![leaf("0", "text/plain", "text without a blank line\r\nmore: text\r\n")],
            vec![Defect::NoBlankLine],
        ),
        // A header without a body, consecutive boundaries, and an empty part.
        (
            format!("{MIXED}--b\r\n--b\r\nContent-Type: image/png\r\n--b\r\n\r\n--b--\r\n"),
            vec![leaf("1", "image/png", ""), leaf("2", "text/plain", "")],
            vec![],
        ),
        // A boundary that ends in `--`.
        (
            "Content-Type: multipart/mixed; boundary=\"b--\"\r\n\r\n--b--\r\n\r\none\r\n--b----\r\n".to_owned(),
            vec![leaf("1", "text/plain", "one")],
            vec![],
        ),
        // The same boundary at both levels.
        (
            format!("{MIXED}--b\r\n{MIXED}--b\r\n\r\none\r\n--b--\r\n--b\r\n\r\ntwo\r\n--b--\r\n"),
            vec![leaf("1.1", "text/plain", "one"), leaf("2", "text/plain", "two")],
            vec![],
        ),
        (
            "Content-Type: text\r\nContent-Transfer-Encoding: zip\r\n\r\nx".to_owned(),
            vec![leaf("0", "text/plain", "x")],
            vec![Defect::UnknownEncoding("zip".to_owned())],
        ),
    ] {
        assert_eq!(leaves(&source), parts, "{source}");
        assert_eq!(defects(&source), expected, "{source}");
    }
}

#[test]
fn the_first_of_repeated_fields_counts() {
    let source = "Content-Type: text/html\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\
                  Content-Transfer-Encoding: 7bit\r\n\r\nPGI+";
    assert_eq!(leaves(source), [leaf("0", "text/html", "<b>")]);
}

#[test]
fn a_message_within_a_message_is_one_part() {
    let source = "Content-Type: message/rfc822\r\n\r\n".repeat(60_000);
    assert_eq!(Message::read(source.as_bytes()).parts().len(), 1);
    let digest = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\ny\r\n--b--\r\n";
    assert_eq!(
        leaves(digest),
        [leaf("1", "message/rfc822", "Subject: x\r\n\r\ny")]
    );
}

#[test]
fn numbers_of_deep_parts_are_unique_and_short() {
    let level = |number| {
        format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n")
    };
    let mut source: String = (0..3_000).map(level).collect();
    source.push_str("\r\nthe innermost\r\n--b2999\r\n\r\na second\r\n--b50\r\n\r\na third\r\n");
    let message = Message::read(source.as_bytes());
    let ids: Vec<_> = message
        .leaves()
        .map(|(index, _)| message.part_id(index))
        .collect();
    assert_eq!(ids.len(), 3);
    let unique: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), 3);
    assert!(ids.iter().all(|id| id.len() < 300), "{ids:?}");
    assert_eq!(message.leaves().next().unwrap().1.text(), "the innermost");
    assert!(message.parts()[0].defects().contains(&Defect::TooDeep));
}

#[test]
fn the_rest_of_a_message_with_too_many_parts_is_one_part() {
    let source = format!(
        "{MIXED}{}last\r\n--b--\r\n",
        "--b\n\nx\n".repeat(MAX_PARTS + 10)
    );
    let message = Message::read(source.as_bytes());
    assert_eq!(message.parts().len(), MAX_PARTS);
    let (_, last) = message.leaves().last().unwrap();
    assert!(last.text().ends_with("x\nlast\r\n--b--"), "{}", last.text());
    assert!(message.parts()[0].defects().contains(&Defect::TooManyParts));
}
