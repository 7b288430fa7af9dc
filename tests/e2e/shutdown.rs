//! SIGTERM, exit codes, and what is said when ringgate cannot start.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::Command;

use super::server::{Server, zone};
use super::wire::Wire;
use super::world::{Authority, Folder, LOCAL, Ringgate, Settings};

#[test]
fn sigterm_flushes_closes_streams_prints_the_account_and_exits_0() {
    let (authority, backend) = (Authority::new(), Server::backend());
    let settings = Settings::new(backend.address, zone(HashMap::new()));
    let ringgate = Ringgate::start(&authority, &settings);
    let mut peer = Wire::authenticated(ringgate.public, "remote.example", &authority.store("remote.example"));
    peer.says("<message from='a@remote.example' to='b@local.example' id='m1'><body>x</body></message>");
    backend.hears("id='m1'");
    ringgate.terminate();
    peer.hears("</stream:stream>");
    // What a peer still sends before its own end tag is taken.
    peer.says("<message from='a@remote.example' to='b@local.example' id='m2'/></stream:stream>");
    backend.hears("id='m2'");
    let heard = backend.hears("</stream:stream>");
    assert!(heard.find("m2").unwrap() < heard.find("</stream:stream>").unwrap(), "{heard}");
    let (status, account, log) = ringgate.ends();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(account.contains("remote.example") && account.contains(LOCAL), "{account}");
}

#[test]
fn second_sigterm_exits_1_without_waiting() {
    let (authority, backend) = (Authority::new(), Server::backend());
    let settings = Settings::new(backend.address, zone(HashMap::new()));
    let ringgate = Ringgate::start(&authority, &settings);
    let mut peer = Wire::authenticated(ringgate.public, "remote.example", &authority.store("remote.example"));
    ringgate.terminate();
    // It drains, and this peer never closes its side.
    peer.hears("</stream:stream>");
    ringgate.terminate();
    let (status, account, _) = ringgate.ends();
    assert_eq!((status.code(), account.as_str()), (Some(1), ""));
}

fn fails(text: &str, folder: &Folder) -> (Option<i32>, String) {
    let file = folder.write("ringgate.toml", text);
    let output = Command::new(env!("CARGO_BIN_EXE_ringgate")).args(["run", "--config"]).arg(file).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn folder_with_certificates() -> (Folder, String) {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.write("local.pem", &authority.issue(&[LOCAL], rcgen::ExtendedKeyUsagePurpose::ServerAuth));
    folder.write("roots.pem", &authority.pem);
    let nowhere = "127.0.0.1:9".parse().unwrap();
    (folder, Settings::new(nowhere, nowhere).text())
}

#[test]
fn port_that_is_taken_is_named_with_its_key_and_a_remedy() {
    let (folder, text) = folder_with_certificates();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let (code, error) = fails(&text.replace("listen = [\"127.0.0.1:0\"]", &format!("listen = [\"{at}\"]")), &folder);
    assert_ne!(code, Some(0));
    assert!(error.contains("public.listen") && error.contains(&at) && error.contains("; "), "{error}");
}

#[test]
fn bad_certificate_is_named_with_key_line_problem_and_remedy() {
    let (folder, text) = folder_with_certificates();
    folder.write("local.pem", "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n");
    let (code, error) = fails(&text, &folder);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("ringgate.toml:4: domain[1].certificate"), "{error}");
    assert!(error.contains("problem: ") && error.contains("remedy: "), "{error}");
}
