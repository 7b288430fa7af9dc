//! What cannot be done ends with one line and the exit code that the table of the command line says.

use loadgen::systems::scratch::Scratch;

use crate::program::{result, run};

#[test]
fn wrong_usage_is_one_line_and_exit_code_2() {
    let scratch = Scratch::new(false).unwrap();
    for (line, words) in [
        ("fanuot", "unrecognized subcommand 'fanuot'"),
        ("fanout --contcats 7", "unexpected argument '--contcats'"),
        ("fanout --rate fast", "invalid value 'fast' for '--rate"),
        ("fanout --rate 0", "--rate 0 is not possible"),
        ("fanout --rate=-5", "--rate -5 is not possible"),
        ("fanout --rate 1e15", "--rate 1000000000000000 is not possible"),
        ("message --rate 1e7 --duration 1h", "lower the rate or shorten --duration"),
        ("fanout --duration 0s", "--duration 0 is not possible"),
        ("fanout --duration 5", "a number and its unit"),
        ("fanout --system nginx", "there is no system \"nginx\"; there are ringgate, haproxy"),
        ("fanout --system direct,haproxy", "`loadgen bench` compares several"),
        ("fanout --attach DIR --system haproxy", "--attach is for one ringgate"),
        ("fanout --attach DIR --attach-wait 5000000000000000h", "--attach-wait must be at most 24h"),
        ("reconnect-storm --pause 5000000000000000h --over 5000000000000000h", "--pause 18000000000000000000 is not"),
        ("fanout --users 1000000 -k 100000", "the plan has 100000000000 contacts, the limit is 100000000"),
        ("fanout --pid 7", "--attach"),
        ("fanout --shards 2 --system haproxy", "--shards is for ringgate, haproxy has none: leave --shards out, or"),
        ("bench fanout --shards 2 --system ringgate,direct", "--shards is for ringgate, direct has none"),
        ("bench fanout --shards 2", "--shards is for ringgate, haproxy has none"),
        ("bench --only one-tls-tls --shards 2", "--shards is for ringgate, haproxy has none"),
        ("bench --only shards --shards 2", "the contenders of `shards` say themselves how many shards they have"),
        (
            "bisect fanout --least 1000 --slo-p99 5ms --shards 2 --system direct",
            "--shards is for ringgate, direct has none",
        ),
        ("fanout --ringgate FILE --system haproxy", "but only haproxy runs here: leave it out, or ask for"),
        ("bench fanout --ringgate FILE --system direct,haproxy", "but only direct, haproxy runs here:"),
        ("bench --only one-tls-tls --ringgate FILE --system haproxy", "but only haproxy runs here:"),
        ("", "requires a subcommand"),
    ] {
        let ended = run(line, &scratch);
        assert_eq!(ended.code, Some(2), "{line}: {ended:?}");
        assert!(ended.line().starts_with("loadgen: ") && ended.line().contains(words), "{line}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{line}: {ended:?}");
    }
    assert!(!scratch.path().join("out").exists());
}

#[test]
fn what_cannot_be_done_is_one_line_and_exit_code_1() {
    let scratch = Scratch::new(false).unwrap();
    for (line, words) in [
        ("fanout --ringgate /nonexistent/ringgate", "system ringgate: there is no program /nonexistent/ringgate"),
        ("fanout --system-cores 4095", "core 4095 is not one of"),
        ("fanout --attach /dev/null/site", "/dev/null/site"),
    ] {
        let ended = run(line, &scratch);
        assert_eq!(ended.code, Some(1), "{line}: {ended:?}");
        assert!(ended.line().contains(words), "{line}: {ended:?}");
    }
}

#[test]
fn missed_objective_is_exit_code_3_unless_the_run_is_invalid() {
    let scratch = Scratch::new(false).unwrap();
    let ended = run("message --system direct --warm-up 100ms --duration 1s --slo-p99 1us", &scratch);
    let result = result(&scratch.path().join("out"));
    let verdict = &result["verdict"];
    let is_valid = verdict["invalid"].as_array().unwrap().is_empty();
    assert_eq!(ended.code, Some(if is_valid { 3 } else { 4 }), "{ended:?}");
    assert!(verdict["failed"].to_string().contains("the objective is 1"), "{verdict}");
    assert!(ended.stdout.contains("Failed"), "{ended:?}");
}
