//! A soak of some seconds: what it shows is little, but all of it is there.

use loadgen::systems::scratch::Scratch;

use crate::program::{result, run};

#[test]
fn soak_says_how_memory_and_descriptors_went_and_loses_nothing() {
    let scratch = Scratch::new(false).unwrap();
    let ended = run("soak --warm-up 1s --duration 5s --rate 500 --churn 40 --stay 100ms --deadline 20s", &scratch);
    let out = scratch.path().join("out");
    let result = result(&out);
    let count = |of: &str, name: &str| result[of][name].as_u64().unwrap();
    assert_eq!(count("counts", "arrived"), count("counts", "scheduled"), "{}", result["counts"]);
    assert_eq!(count("stressed", "arrived"), count("stressed", "scheduled"), "{}", result["stressed"]);
    assert!(count("stressed", "scheduled") > 120, "{}", result["stressed"]);
    assert_eq!((count("streams", "failed"), count("streams", "lost")), (0, 0), "{}", result["streams"]);
    let growth = &result["growth"];
    let looks = growth["held"].as_array().unwrap().len();
    assert!(looks > 100 && growth["memory"]["per_hour"].is_number(), "{growth}");
    let csv = std::fs::read_to_string(out.join("held.csv")).unwrap();
    assert_eq!(csv.lines().count(), looks + 1, "{csv}");
    assert!(csv.starts_with("seconds,phase,resident_bytes,descriptors\n0."), "{csv}");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("memory over time") && page.contains("descriptors over time"));
    assert!(
        ended.stdout.contains("\n  descriptors ")
            && ended.stdout.contains("kB/hour, 95 %: ")
            && ended.stdout.contains("held.csv"),
        "{ended:?}"
    );
    // A ringgate that runs for seconds may still grow; whatever the verdict says, the exit code does, too.
    let verdict = &result["verdict"];
    assert!(verdict["invalid"].as_array().unwrap().is_empty(), "{verdict}");
    let failed = verdict["failed"].as_array().unwrap();
    assert!(failed.iter().all(|reason| reason.as_str().unwrap().contains(" by ")), "{verdict}");
    assert_eq!(ended.code, Some(if failed.is_empty() { 0 } else { 3 }), "{ended:?}");
}
