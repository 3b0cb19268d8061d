//! A private Postfix with authentication by Dovecot, in a temporary folder and on a free port: the most common mail server.
//! It relays everything it accepts to a sink.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{ClosedPort, report_skipped, wait_until};

/// A running Postfix. It is stopped on drop.
pub struct Postfix {
    folder: tempfile::TempDir,
    port: ClosedPort,
}

/// User name that Postfix accepts.
pub const USER: &str = "moviebag";
pub const LOGIN_PASSWORD: &str = "the password there";

impl Postfix {
    /// Starts Postfix as a relay to the sink at this port. Returns `None` if it is not installed or may not be started; that
    /// has been reported then.
    pub fn start(sink: &str, more: &str) -> Option<Self> {
        let missing = ["/usr/sbin/postfix", "/usr/sbin/dovecot", "/usr/bin/openssl"]
            .into_iter()
            .find(|program| !Path::new(program).exists());
        let is_root = rustix::process::geteuid().is_root();
        let why = match missing {
            Some(program) => format!("{program} is missing."),
            None if !is_root => "Only root starts a Postfix.".to_owned(),
            None => return Some(Self::start_installed(sink, more)),
        };
        report_skipped(
            "delivery through a real Postfix",
            &why,
            "Install Debian's packages postfix and dovecot-core, and run the tests as root.",
        );
        None
    }

    fn start_installed(sink: &str, more: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("postfix")
            .tempdir()
            .unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // Postfix cannot bind port 0 and report the port.
        let postfix = Self {
            folder,
            port: ClosedPort::reserve(),
        };
        postfix.make_certificate();
        postfix.start_dovecot();
        for name in ["config", "queue", "data"] {
            fs::create_dir(postfix.path(name)).unwrap();
        }
        ok(Command::new("chown")
            .arg("postfix")
            .arg(postfix.path("data")));
        fs::write(postfix.path("config/main.cf"), postfix.main_cf(sink, more)).unwrap();
        fs::write(
            postfix.path("config/master.cf"),
            master_cf(&postfix.port.address()),
        )
        .unwrap();
        ok(postfix.command().arg("start"));
        wait_until("Postfix listens", || {
            TcpStream::connect(postfix.port.address()).is_ok()
        });
        postfix
    }

    /// Creates a certificate by `openssl req -x509` with its defaults.
    fn make_certificate(&self) {
        ok(Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            ])
            .args(["-subj", "/CN=localhost", "-keyout"])
            .arg(self.path("key.pem"))
            .arg("-out")
            .arg(self.certificate()));
    }

    fn start_dovecot(&self) {
        let text = format!(
            "base_dir = {run}\n\
             state_dir = {run}\n\
             log_path = {log}\n\
             protocols =\n\
             ssl = no\n\
             auth_mechanisms = plain login\n\
             passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n\
             userdb {{\n  driver = static\n  args = uid=65534 gid=65534 home=/nonexistent\n}}\n\
             service auth {{\n  unix_listener {auth} {{\n    mode = 0666\n  }}\n}}\n",
            run = self.path("dovecot").display(),
            log = self.path("dovecot.log").display(),
            users = self.path("users").display(),
            auth = self.path("auth").display(),
        );
        fs::write(self.path("dovecot.conf"), text).unwrap();
        let user = format!("{USER}:{{PLAIN}}{LOGIN_PASSWORD}::::::\n");
        fs::write(self.path("users"), user).unwrap();
        fs::set_permissions(self.path("users"), fs::Permissions::from_mode(0o644)).unwrap();
        ok(&mut self.dovecot());
        wait_until("Dovecot answers", || self.path("auth").exists());
    }

    fn main_cf(&self, sink: &str, more: &str) -> String {
        format!(
            "compatibility_level = 3.6\n\
             queue_directory = {queue}\n\
             data_directory = {data}\n\
             command_directory = /usr/sbin\n\
             daemon_directory = /usr/lib/postfix/sbin\n\
             mail_owner = postfix\n\
             setgid_group = postdrop\n\
             maillog_file = {log}\n\
             maillog_file_prefixes = {folder}\n\
             myhostname = mail.example.net\n\
             mydestination =\n\
             mynetworks = 192.0.2.0/24\n\
             inet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\n\
             alias_maps =\n\
             alias_database =\n\
             relayhost = [127.0.0.1]:{sink}\n\
             smtp_tls_security_level = none\n\
             smtpd_tls_security_level = may\n\
             smtpd_tls_cert_file = {certificate}\n\
             smtpd_tls_key_file = {key}\n\
             smtpd_tls_auth_only = yes\n\
             smtpd_sasl_auth_enable = yes\n\
             smtpd_sasl_type = dovecot\n\
             smtpd_sasl_path = {auth}\n\
             smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n\
             {more}\n",
            queue = self.path("queue").display(),
            data = self.path("data").display(),
            log = self.log_file().display(),
            folder = self.folder.path().display(),
            certificate = self.certificate().display(),
            key = self.path("key.pem").display(),
            auth = self.path("auth").display(),
        )
    }

    pub fn port(&self) -> String {
        self.port.port()
    }

    /// Returns the path of the self-signed certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("certificate.pem")
    }

    /// Returns the log lines that contain this text.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines = log.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }

    fn log_file(&self) -> PathBuf {
        self.path("maillog")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("/usr/sbin/postfix");
        command.arg("-c").arg(self.path("config"));
        command
    }

    fn dovecot(&self) -> Command {
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-c").arg(self.path("dovecot.conf"));
        command
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        for mut stop in [self.command(), self.dovecot()] {
            let _ = stop
                .arg("stop")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Returns the services that relaying needs, none of them in a chroot.
fn master_cf(address: &str) -> String {
    let mut text = format!("{address} inet n - n - - smtpd\n");
    for (service, kind, private, wakeup, limit, command) in [
        ("pickup", "unix", "n", "60", "1", "pickup"),
        ("cleanup", "unix", "n", "-", "0", "cleanup"),
        ("qmgr", "unix", "n", "300", "1", "qmgr"),
        ("tlsmgr", "unix", "-", "1000?", "1", "tlsmgr"),
        ("rewrite", "unix", "-", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "-", "0", "bounce"),
        ("defer", "unix", "-", "-", "0", "bounce"),
        ("trace", "unix", "-", "-", "0", "bounce"),
        ("verify", "unix", "-", "-", "1", "verify"),
        ("flush", "unix", "n", "1000?", "0", "flush"),
        ("proxymap", "unix", "-", "-", "-", "proxymap"),
        ("smtp", "unix", "-", "-", "-", "smtp"),
        ("relay", "unix", "-", "-", "-", "smtp"),
        ("error", "unix", "-", "-", "-", "error"),
        ("retry", "unix", "-", "-", "-", "error"),
        ("discard", "unix", "-", "-", "-", "discard"),
        ("anvil", "unix", "-", "-", "1", "anvil"),
        ("scache", "unix", "-", "-", "1", "scache"),
        ("postlog", "unix-dgram", "n", "-", "1", "postlogd"),
    ] {
        text += &format!("{service} {kind} {private} - n {wakeup} {limit} {command}\n");
    }
    text
}

/// Runs a command that may leave a daemon running. Pipes would stay open in the daemon, so that there are none.
#[track_caller]
fn ok(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}
