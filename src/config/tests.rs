use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringgate_proto::gate::ShardId;
use ringgate_proto::policy::{Direction, Verdict};
use ringgate_proto::proof::Method;

use super::keys::{Absent, KEYS, Shape};
use super::*;

const MINIMAL: &str = r#"
[[domain]]
name = "example.org"
subdomains = ["conference"]
certificate = "/etc/ringgate/example.org.pem"
backend = "127.0.0.1:15269"
[internal]
listen = "127.0.0.1:15268"
dns = "127.0.0.1:15353"
"#;

fn parse(text: &str) -> Result<Loaded, Problems> {
    Config::parse(text, Path::new("test.toml"))
}

/// The only error of `MINIMAL` with `extra` after it.
#[track_caller]
fn only_error(extra: &str) -> Problem {
    let problems = parse(&format!("{MINIMAL}{extra}")).expect_err("must be refused");
    assert_eq!(problems.errors.len(), 1, "{problems}");
    problems.errors[0].clone()
}

#[track_caller]
fn refused(text: &str) -> Vec<(String, Option<usize>)> {
    let problems = parse(text).expect_err("must be refused");
    problems.errors.into_iter().map(|problem| (problem.key, problem.line)).collect()
}

#[test]
fn minimal_configuration_has_sound_defaults() {
    let config = parse(MINIMAL).unwrap().config;
    let names = config.domains[0].names().map(Domain::as_str).collect::<Vec<_>>();
    assert_eq!(names, ["example.org", "conference.example.org"]);
    assert_eq!(config.domains[0].certificate.key, Path::new("/etc/ringgate/example.org.pem"));
    assert_eq!(config.public.listen, ["[::]:5269".parse().unwrap()]);
    assert_eq!(config.public.listen_direct_tls, ["[::]:5270".parse().unwrap()]);
    assert_eq!(config.roots, Roots::System);
    assert_eq!(config.limits.stanza_bytes, ringgate_proto::limits::STANZA_BYTES);
    assert_eq!(config.limits.connections_per_shard, ringgate_proto::limits::CONNECTIONS_PER_SHARD);
    assert_eq!(config.shutdown_deadline, Duration::from_secs(15));
    let stranger = Domain::parse("stranger.example").unwrap();
    let Verdict::Allow(terms) = config.policy.verdict(&stranger, Direction::Inbound) else { panic!("refused") };
    assert_eq!((terms.external, terms.dialback, terms.dialback_first), (true, true, false));
    assert_eq!(terms.tls, ringgate_proto::stream::TlsTerms::Required);
}

#[test]
fn gate_is_told_every_name_with_one_backend_per_address() {
    let second = r#"
[[domain]]
name = "example.net"
certificate = "c.pem"
backend = "127.0.0.1:15269"
[[domain]]
name = "example.com"
certificate = "c.pem"
backend = "127.0.0.2:15269"
backend_tls = "starttls"
"#;
    let limits = "[limits]\nstanza_bytes = 20000\nconnections_per_shard = 99\n";
    let config = parse(&format!("{MINIMAL}{second}{limits}")).unwrap().config;
    let seat = Seat { shard: ShardId(0), process_seed: 1, shard_seed: [2; 32], drawn_secret: [3; 32] };
    let gate = config.gate(&seat);
    let domains = gate.domains.iter().map(|d| (d.name.as_str(), d.backend)).collect::<Vec<_>>();
    assert_eq!(domains, [("example.org", 0), ("conference.example.org", 0), ("example.net", 0), ("example.com", 1)]);
    assert_eq!((gate.backends.len(), gate.backends[1].starttls), (2, true));
    assert_eq!((gate.stanza_bytes_max, gate.connections_max), (20_000, 99));
    assert_eq!(gate.dialback_secret, [3; 32]);
    assert!(gate.egress.own.contains(&"127.0.0.1:15268".parse().unwrap()));
    assert!(gate.egress.own.contains(&"127.0.0.1:15269".parse().unwrap()));
}

#[test]
fn all_errors_are_reported_in_one_run_in_the_order_of_their_lines() {
    let text = r#"shards = 0
[[domain]]
name = "exa mple.org"
backend = "localhost:5269"
[internal]
listen = 15268
[limits]
stanza_bytes = 9999
[log]
level = "loud"
colour = true
"#;
    let expected = [
        ("shards", 1),
        ("domain[1].certificate", 2),
        ("domain[1].name", 3),
        ("domain[1].backend", 4),
        ("internal.listen", 6),
        ("limits.stanza_bytes", 8),
        ("log.level", 10),
        ("log.colour", 11),
    ];
    let expected = expected.map(|(key, line)| (key.to_owned(), Some(line)));
    assert_eq!(refused(text), expected);
}

#[test]
fn message_has_key_line_problem_and_remedy() {
    let text = parse(&format!("{MINIMAL}[limits]\nstanza_bytes = 100\n")).unwrap_err().to_string();
    let expected = "error: test.toml:11: limits.stanza_bytes\n  problem: 100 is not allowed here\n  remedy:  give a number of bytes from 10000 to 4194304\n";
    assert_eq!(text, expected);
}

#[test]
fn syntax_error_names_its_line() {
    let problems = parse("[internal]\nlisten = \n").unwrap_err();
    let errors = problems.errors.iter().map(|e| (e.key.as_str(), e.line)).collect::<Vec<_>>();
    assert_eq!(errors, [("(syntax)", Some(2))], "{problems}");
}

#[test]
fn unknown_key_suggests_the_nearest_or_its_own_table() {
    assert_eq!(only_error("dsn = \"127.0.0.1:53\"\n").remedy, "did you mean \"dns\"?");
    assert_eq!(only_error("hlog = \"x\"\n").remedy, "\"hlog\" belongs in [metrics]");
    assert_eq!(only_error("[limit]\nstanza_bytes = 20000\n").remedy, "did you mean \"limits\"?");
    assert!(only_error("[tls]\nunheard_of = 1\n").remedy.contains("known here: roots, direct"));
}

#[test]
fn single_table_written_twice_over_is_refused() {
    assert_eq!(only_error("[[policy]]\ntls = \"none\"\n").key, "policy");
    assert!(refused(&MINIMAL.replace("[[domain]]", "[domain]")).contains(&("domain".into(), Some(2))));
}

#[test]
fn domain_served_twice_is_refused_with_the_earlier_place() {
    let again = "[[domain]]\nname = \"Conference.Example.org\"\ncertificate = \"c\"\nbackend = \"127.0.0.1:1\"\n";
    let problem = only_error(again);
    assert_eq!((problem.key.as_str(), problem.line), ("domain[2].name", Some(11)));
    assert!(problem.problem.contains("domain[1].subdomains in line 4"), "{}", problem.problem);
}

#[test]
fn subdomain_must_be_relative_and_no_pattern() {
    let full = MINIMAL.replace("[\"conference\"]", "[\"conference.example.org\"]");
    let problems = parse(&full).unwrap_err();
    assert_eq!(problems.errors[0].remedy, "write \"conference\"; example.org is added to it");
    let star = MINIMAL.replace("[\"conference\"]", "[\"*\"]");
    assert!(parse(&star).unwrap_err().errors[0].remedy.starts_with("name every subdomain"));
}

#[test]
fn external_without_tls_is_impossible() {
    let problem = only_error("[[partner]]\ndomain = \"x.example\"\ntls = \"none\"\nauth = [\"external\"]\n");
    assert_eq!((problem.key.as_str(), problem.line), ("partner[1].auth", Some(13)));
    let policy = only_error("[policy]\ntls = \"none\"\nauth = [\"external\"]\n");
    assert_eq!(policy.key, "policy.auth");
    let inherited =
        only_error("[policy]\nauth = [\"external\"]\n[[partner]]\ndomain = \"x.example\"\ntls = \"none\"\n");
    assert_eq!(inherited.key, "partner[1].auth");
}

#[test]
fn cleartext_federation_is_warned_about() {
    let loaded = parse(&format!("{MINIMAL}[policy]\ntls = \"none\"\n")).unwrap();
    assert!(loaded.problems.warnings_text().contains("in clear"), "{:?}", loaded.problems);
}

#[test]
fn partner_inherits_what_it_does_not_say() {
    let text = "[policy]\ndefault = \"deny\"\ntls = \"optional\"\n[[partner]]\ndomain = \"*.x.example\"\nauth = [\"dialback\"]\ninbound = \"deny\"\n";
    let policy = parse(&format!("{MINIMAL}{text}")).unwrap().config.policy;
    let below = Domain::parse("muc.x.example").unwrap();
    assert!(matches!(policy.verdict(&below, Direction::Inbound), Verdict::Refuse(_)));
    let Verdict::Allow(terms) = policy.verdict(&below, Direction::Outbound) else { panic!("refused") };
    assert_eq!((terms.tls, terms.external), (ringgate_proto::stream::TlsTerms::Optional, false));
    let other = Domain::parse("x.example").unwrap();
    assert!(matches!(policy.verdict(&other, Direction::Outbound), Verdict::Refuse(_)));
    assert_eq!(policy.default.methods, [Method::External, Method::Dialback]);
}

#[test]
fn partner_named_twice_or_served_here_is_refused() {
    let twice = "[[partner]]\ndomain = \"x.example\"\n[[partner]]\ndomain = \"X.example\"\n";
    assert_eq!(only_error(twice).key, "partner[2].domain");
    assert_eq!(only_error("[[partner]]\ndomain = \"example.org\"\n").key, "partner[1].domain");
    assert_eq!(only_error("[[partner]]\ndomain = \"a*.example\"\n").key, "partner[1].domain");
    assert!(parse(&format!("{MINIMAL}[[partner]]\ndomain = \"*.example.org\"\n")).is_ok());
}

#[test]
fn authentication_list_without_or_with_repeated_methods_is_refused() {
    assert_eq!(only_error("[policy]\nauth = []\n").key, "policy.auth");
    assert_eq!(only_error("[policy]\nauth = [\"dialback\", \"dialback\"]\n").key, "policy.auth");
    assert_eq!(only_error("[policy]\nauth = \"dialback\"\n").key, "policy.auth");
}

#[test]
fn listeners_that_overlap_are_refused() {
    assert_eq!(only_error("[public]\nlisten = [\"0.0.0.0:15268\"]\n").key, "public.listen");
    assert_eq!(only_error("[public]\nlisten_direct_tls = [\"[::]:5269\"]\n").key, "public.listen_direct_tls");
    assert_eq!(only_error("[metrics]\nlisten = \"127.0.0.1:5269\"\n").key, "metrics.listen");
    assert!(parse(&format!("{MINIMAL}[public]\nlisten = [\"127.0.0.2:15268\"]\n")).is_ok());
}

#[test]
fn backend_that_is_one_of_our_listeners_is_refused() {
    let looped = MINIMAL.replace("127.0.0.1:15269", "127.0.0.1:15268");
    assert_eq!(refused(&looped), [("internal.listen".to_owned(), Some(8))]);
    let public = MINIMAL.replace("127.0.0.1:15269", "127.0.0.1:5269");
    assert_eq!(refused(&public), [("public.listen".to_owned(), None)]);
}

#[test]
fn internal_listener_needs_one_address_and_warns_about_public_ones() {
    assert_eq!(refused(&MINIMAL.replace("127.0.0.1:15268", "0.0.0.0:15268")).len(), 1);
    let public = parse(&MINIMAL.replace("127.0.0.1:15268", "192.0.2.1:15268")).unwrap();
    assert_eq!(public.problems.warnings[0].key, "internal.listen");
}

#[test]
fn listener_with_port_0_gets_one_from_the_kernel_but_a_backend_needs_its_own() {
    let listener = parse(&MINIMAL.replace("127.0.0.1:15268", "127.0.0.1:0")).unwrap();
    assert_eq!(listener.config.internal.listen.port(), 0);
    assert_eq!(refused(&MINIMAL.replace("127.0.0.1:15269", "127.0.0.1:0"))[0].0, "domain[1].backend");
}

#[test]
fn resolver_that_is_our_own_answerer_is_refused() {
    assert_eq!(only_error("[dns]\nservers = [\"127.0.0.1:15353\"]\n").key, "dns.servers");
    let config = parse(&format!("{MINIMAL}[dns]\nservers = [\"192.0.2.53\", \"[::1]:54\"]\n")).unwrap().config;
    assert_eq!(config.dns.servers, ["192.0.2.53:53".parse().unwrap(), "[::1]:54".parse().unwrap()]);
}

#[test]
fn network_must_be_exact_and_not_everything() {
    for bad in ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "0.0.0.0/0", "fd00::/129", "host/8"] {
        assert_eq!(only_error(&format!("[egress]\nallow = [\"{bad}\"]\n")).line, Some(11), "{bad}");
    }
    let config = parse(&format!("{MINIMAL}[egress]\nallow = [\"127.0.0.0/8\", \"fd00::/8\", \"::1/128\"]\n")).unwrap();
    assert_eq!(config.config.egress_allow.len(), 3);
}

#[test]
fn times_have_units_and_bounds() {
    for (text, millis) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)] {
        let time = Duration::from_millis(millis);
        assert_eq!(keys::parse_time(text), Some(time));
        assert_eq!(keys::spell_time(time), text);
    }
    for bad in ["", "5", "s", "5 s", "-5s", "5d", "99999999999999999999s", "18446744073709551615h"] {
        assert_eq!(keys::parse_time(bad), None, "{bad}");
    }
    assert_eq!(only_error("[shutdown]\ndeadline = \"500ms\"\n").key, "shutdown.deadline");
}

#[test]
fn key_without_its_certificate_is_refused() {
    let text = MINIMAL.replace("dns = ", "key = \"k.pem\"\ndns = ");
    assert_eq!(refused(&text), [("internal.key".to_owned(), Some(9))]);
}

#[test]
fn secret_is_not_in_debug_output() {
    assert_eq!(format!("{:?}", Secret(b"hunter2".to_vec())), "Secret(..)");
}

// --- files ---

/// A directory that is removed when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringgate-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn write(&self, name: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    fn certificate(&self, name: &str, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        self.write(name, &format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem()));
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_are_found_beside_the_configuration_and_examined() {
    let directory = Directory::new("files");
    directory.certificate("good.pem", &["example.org", "*.example.org"]);
    directory.write("secret", "0123456789abcdef\n");
    let text = MINIMAL.replace("/etc/ringgate/example.org.pem", "good.pem") + "[dialback]\nsecret_file = \"secret\"\n";
    directory.write("ringgate.toml", &text);
    let loaded = Config::load(&directory.0.join("ringgate.toml")).unwrap();
    assert_eq!(loaded.config.dialback_secret, Some(Secret(b"0123456789abcdef".to_vec())));
    // The certificate was signed by nobody whom strangers trust; that is all there is to say.
    assert_eq!(loaded.problems.warnings.len(), 1, "{}", loaded.problems.warnings_text());
    assert_eq!(loaded.problems.warnings[0].line, Some(5));
}

#[test]
fn key_of_another_certificate_is_an_error_with_the_line_of_the_certificate() {
    let directory = Directory::new("mismatch");
    directory.certificate("good.pem", &["example.org"]);
    directory.certificate("other.pem", &["example.org"]);
    let text = MINIMAL.replace("/etc/ringgate/example.org.pem\"", "good.pem\"\nkey = \"other.pem\"");
    directory.write("ringgate.toml", &text);
    let problems = Config::load(&directory.0.join("ringgate.toml")).unwrap_err();
    assert_eq!(problems.errors.len(), 1, "{problems}");
    assert_eq!((problems.errors[0].key.as_str(), problems.errors[0].line), ("domain[1].certificate", Some(5)));
}

#[test]
fn missing_empty_and_short_files_are_each_reported() {
    let directory = Directory::new("bad-files");
    directory.write("empty.pem", "");
    directory.write("secret", "short");
    let mut text = MINIMAL.replace("/etc/ringgate/example.org.pem", "absent.pem");
    text +=
        "[tls]\nroots = \"empty.pem\"\n[dialback]\nsecret_file = \"secret\"\n[metrics]\nhlog = \"no/such/x.hlog\"\n";
    directory.write("ringgate.toml", &text);
    let problems = Config::load(&directory.0.join("ringgate.toml")).unwrap_err();
    let keys = problems.errors.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>();
    assert_eq!(keys, ["domain[1].certificate", "tls.roots", "dialback.secret_file", "metrics.hlog"]);
}

#[test]
fn certificate_that_lacks_a_served_name_is_warned_about() {
    let directory = Directory::new("names");
    directory.certificate("bare.pem", &["example.org"]);
    directory.write("ringgate.toml", &MINIMAL.replace("/etc/ringgate/example.org.pem", "bare.pem"));
    let loaded = Config::load(&directory.0.join("ringgate.toml")).unwrap();
    let about = |w: &&Problem| w.problem.ends_with("does not cover conference.example.org");
    let warning = loaded.problems.warnings.iter().find(about).expect("the name is missing");
    assert_eq!((warning.key.as_str(), warning.line), ("domain[1].certificate", Some(5)));
}

#[test]
fn file_that_cannot_be_read_is_one_problem_without_a_line() {
    let problems = Config::load(Path::new("/nonexistent/ringgate.toml")).unwrap_err();
    assert_eq!((problems.errors.len(), problems.errors[0].line), (1, None));
}

// --- ringgate.toml ---

/// `ringgate.toml`'s keys: table, name, value, whether it is commented out, and the comment above it.
struct Documented {
    table: String,
    name: String,
    value: String,
    is_comment: bool,
    remarks: String,
}

fn documented() -> Vec<Documented> {
    let text = include_str!("../../ringgate.toml");
    let (mut table, mut remarks, mut found) = (String::new(), String::new(), Vec::new());
    for line in text.lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        if bare.starts_with('[') {
            table = bare.trim_matches(['[', ']']).to_owned();
            remarks.clear();
        } else if let Some((name, value)) = bare.split_once(" = ").filter(|(name, _)| !name.contains(' ')) {
            found.push(Documented {
                table: table.clone(),
                name: name.to_owned(),
                value: value.to_owned(),
                is_comment: line.starts_with('#'),
                remarks: std::mem::take(&mut remarks),
            });
        } else if line.starts_with('#') {
            writeln!(remarks, "{bare}").unwrap();
        } else {
            remarks.clear();
        }
    }
    found
}

#[test]
fn every_key_is_documented_in_place_once_and_in_order() {
    let documented = documented().into_iter().map(|d| (d.table, d.name)).collect::<Vec<_>>();
    let known = KEYS.iter().map(|key| (key.table.to_owned(), key.name.to_owned())).collect::<Vec<_>>();
    assert_eq!(documented, known);
}

#[test]
fn documented_defaults_units_and_ranges_are_the_real_ones() {
    for (key, documented) in KEYS.iter().zip(documented()) {
        let at = format!("{}.{}: {}", key.table, key.name, documented.remarks);
        match key.absent {
            Absent::Default(default) => {
                assert!(documented.remarks.contains(&format!("Default: {default}.")), "{at}");
                if documented.is_comment {
                    assert_eq!(documented.value, default, "{at}");
                }
            }
            Absent::Derived(words) => assert!(documented.remarks.contains(&format!("Default: {words}.")), "{at}"),
            Absent::Required => assert!(documented.remarks.contains("Required"), "{at}"),
        }
        match key.shape {
            Shape::Number(min, max, unit) => {
                assert!(documented.remarks.contains(&format!("Range: {min} to {max}")), "{at}");
                assert!(documented.remarks.to_lowercase().contains(unit), "{at}");
            }
            Shape::Time(min, max) => {
                let range = format!("Range: {} to {}.", keys::spell_time(min), keys::spell_time(max));
                assert!(documented.remarks.contains(&range), "{at}");
            }
            Shape::Word(words) | Shape::Words(words) if key.table != "partner" => {
                assert!(words.iter().all(|word| documented.remarks.contains(&format!("\"{word}\""))), "{at}");
            }
            Shape::Word(_) | Shape::Words(_) | Shape::Text(_) | Shape::List(_) | Shape::Flag => {}
        }
    }
}

#[test]
fn the_file_as_it_is_is_the_minimal_configuration() {
    let file = parse(include_str!("../../ringgate.toml")).unwrap();
    let minimal = parse(MINIMAL).unwrap();
    assert_eq!(format!("{:?}", file.config), format!("{:?}", minimal.config));
    assert_eq!(file.problems.warnings, []);
}

#[test]
fn the_file_with_every_key_uncommented_passes_when_the_files_exist() {
    let directory = Directory::new("uncommented");
    for name in ["example.org", "example.org-client", "internal"] {
        directory.certificate(&format!("{name}.pem"), &["example.org", "conference.example.org"]);
        std::fs::copy(directory.0.join(format!("{name}.pem")), directory.0.join(format!("{name}.key.pem"))).unwrap();
    }
    directory.certificate("roots.pem", &["ca.example"]);
    directory.write("dialback.secret", "0123456789abcdef");
    let mut text = String::new();
    for line in include_str!("../../ringgate.toml").lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        let is_key = bare.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
        writeln!(text, "{}", if is_key || bare.starts_with('[') { bare } else { line }).unwrap();
    }
    let here = directory.0.to_str().unwrap();
    let text = text.replace("/etc/ringgate", here).replace("/var/log/ringgate", here);
    let text = text.replace("roots = \"system\"", "roots = \"roots.pem\"").replace("shards = 2", "shards = 1");
    directory.write("ringgate.toml", &text);
    let loaded = Config::load(&directory.0.join("ringgate.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    let is_about_trust = |warning: &&Problem| warning.key.ends_with("certificate");
    assert!(loaded.problems.warnings.iter().all(|w| is_about_trust(&w)), "{}", loaded.problems.warnings_text());
    assert_eq!(loaded.config.policy.partners.len(), 1);
}
