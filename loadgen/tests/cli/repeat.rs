//! The command of a run repeats it.

use loadgen::systems::scratch::Scratch;

use crate::program::{result, run};

const RUN: &str = "fanout --rate 50 --warm-up 100ms --duration 500ms";

#[test]
fn command_of_a_run_of_a_bench_is_the_same_run() {
    let (several, one) = (Scratch::new(false).unwrap(), Scratch::new(false).unwrap());
    let ended = run(&format!("bench --rounds 1 {RUN} --system direct"), &several);
    assert!(ended.stdout.contains("tables"), "{ended:?}");
    let of_bench = result(&several.path().join("out/direct-1"));
    let words: Vec<&str> = of_bench["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words[1..].join(" "), format!("{RUN} --system direct"));
    run(&words[1..].join(" "), &one);
    let again = result(&one.path().join("out"));
    assert_eq!(again["main_series"], "last", "what a comparison is about is written down");
    assert_eq!([&again["options"], &again["scenario"]], [&of_bench["options"], &of_bench["scenario"]]);
}
