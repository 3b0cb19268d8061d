//! Delivery over TLS from movie-bag to a sink.

use movie_bag_testkit::Home;

/// Creates a certificate authority and a certificate for this machine. Returns the PEM files of the authority, the certificate and
/// its key.
fn certificate(home: &Home) -> [String; 3] {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server =
        rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .unwrap();
    let server_pem = server.signed_by(&key, &issuer).unwrap().pem();
    let write = |name: &str, text: String| home.write(name, text).to_str().unwrap().to_owned();
    [
        write("ca.pem", authority_pem),
        write("cert.pem", server_pem),
        write("key.pem", key.serialize_pem()),
    ]
}

#[test]
fn mails_are_sent_encrypted_only_with_a_trusted_certificate() {
    let home = Home::fresh();
    home.create_account("ann@example.com", "correct horse battery");
    let [authority, certificate, key] = certificate(&home);
    let sink = home.sink(&[
        "--tls",
        "127.0.0.1:0",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ]);
    let generated_authority = home.path().join("made.pem").to_str().unwrap().to_owned();
    let generated = home.sink(&[
        "--starttls",
        "--tls",
        "127.0.0.1:0",
        "--tls-ca-out",
        &generated_authority,
    ]);
    let settings = |port: &str, tls: &str, trusted: Option<&String>| {
        let mut text = format!("MAIL_SERVER = 127.0.0.1\nMAIL_PORT = {port}\n{tls} = true\n");
        if let Some(authority) = trusted {
            text.push_str(&format!("MAIL_CA_FILE = {authority}\n"));
        }
        text.push_str("MAIL_USERNAME = ann\nMAIL_PASSWORD = s3cret\n");
        home.write("mail.env", text).to_str().unwrap().to_owned()
    };
    let forgot =
        |file: String| home.run(&["forgot", "--email", "ann@example.com", "--env-file", &file]);
    for (port, tls) in [
        (sink.port(), "MAIL_USE_TLS"),
        (sink.smtps_port(), "MAIL_USE_SSL"),
    ] {
        forgot(settings(port, tls, None)).exits(7);
        forgot(settings(port, tls, Some(&authority))).ok();
        let envelope = sink.inbox().envelope("latest");
        assert_eq!(envelope["tls"], "TLS 1.3", "{envelope}");
        assert_eq!(envelope["auth"]["user"], "ann");
        assert!(!envelope.to_string().contains("s3cret"));
    }
    for (port, tls) in [
        (generated.port(), "MAIL_USE_TLS"),
        (generated.smtps_port(), "MAIL_USE_SSL"),
    ] {
        forgot(settings(port, tls, Some(&authority))).exits(7);
        assert!(generated.inbox().messages().is_empty());
    }
    for (port, tls) in [
        (generated.port(), "MAIL_USE_TLS"),
        (generated.smtps_port(), "MAIL_USE_SSL"),
    ] {
        forgot(settings(port, tls, Some(&generated_authority))).ok();
        assert_eq!(generated.inbox().envelope("latest")["tls"], "TLS 1.3");
    }
    assert_eq!(sink.inbox().messages().len(), 2);
    assert_eq!(generated.inbox().messages().len(), 2);
    let wrong = home
        .run(&["smtp-debug", "--tls-cert", &key, "--tls-key", &key])
        .exits(1);
    assert!(wrong.stderr.contains("key.pem"), "{}", wrong.stderr);
}
