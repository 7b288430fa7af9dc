//! The command line that repeats one run out of several.

use crate::systems::System;

/// What a bench or a search is asked for, but none of its runs, or not so; each has a value.
const OF_SEVERAL: [&str; 7] = ["--system", "--out", "--rounds", "--only", "--least", "--most", "--resolution"];
/// What is said of ringgate alone, but for all contenders of a bench; it has a value.
const OF_RINGGATE: &str = "--ringgate";
/// Other options with a value that may stand in front of `bench` or `bisect`.
const IN_FRONT: [&str; 7] =
    ["--system-cores", "--engine-cores", "--shards", OF_RINGGATE, "--attach", "--attach-wait", "--pid"];

/// The arguments of one run of `system`: those of the bench or search without what is about several runs or another system,
/// after the scenario and options in `line` (none: the arguments name the scenario), with these options instead of the ones
/// that are there.
pub(super) fn one_of(arguments: &[String], system: System, line: &str, instead: &[(&'static str, f64)]) -> Vec<String> {
    let mut arguments = arguments.iter().cloned();
    let mut kept: Vec<String> = arguments.next().into_iter().collect();
    kept.extend(line.split_whitespace().map(str::to_owned));
    let mut is_in_front = true;
    while let Some(word) = arguments.next() {
        let name = word.split('=').next().unwrap_or_default();
        let is_left_out = OF_SEVERAL.contains(&name)
            || (name == OF_RINGGATE && system != System::Ringgate)
            || instead.iter().any(|(option, _)| *option == name);
        let has_value = !word.contains('=') && (is_left_out || is_in_front && IN_FRONT.contains(&name));
        let value = if has_value { arguments.next() } else { None };
        if is_in_front && !word.starts_with('-') {
            // The word `bench` or `bisect`.
            is_in_front = false;
        } else if !is_left_out {
            kept.extend([word].into_iter().chain(value));
        }
    }
    kept.extend(instead.iter().flat_map(|(option, value)| [(*option).to_owned(), value.to_string()]));
    kept.extend(["--system", system.name()].map(str::to_owned));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(arguments: &str, system: System, line: &str, instead: &[(&'static str, f64)]) -> String {
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        one_of(&arguments, system, line, instead).join(" ")
    }

    const BENCH: &str =
        "loadgen --out bench --ringgate bench bench --rounds 3 message -k 5 --system ringgate,direct --rate=9 --keep";

    #[test]
    fn run_of_a_bench_has_the_scenario_and_what_is_said_of_its_place() {
        assert_eq!(
            one(BENCH, System::Ringgate, "", &[]),
            "loadgen --ringgate bench message -k 5 --rate=9 --keep --system ringgate"
        );
        let suite = "loadgen bench --only one,fanout --rounds=2 --engine-cores 1";
        assert_eq!(
            one(suite, System::Direct, "fanout -k 100", &[("--rate", 123.0)]),
            "loadgen fanout -k 100 --engine-cores 1 --rate 123 --system direct"
        );
    }

    /// It would be refused there.
    #[test]
    fn run_of_another_system_says_nothing_of_a_build_of_ringgate() {
        let direct = "loadgen message -k 5 --rate=9 --keep --system direct";
        assert_eq!(one(BENCH, System::Direct, "", &[]), direct);
        assert_eq!(
            one("loadgen bench message --ringgate=FILE", System::Bare, "", &[]),
            "loadgen message --system bare"
        );
    }

    #[test]
    fn run_of_a_search_has_its_own_rate() {
        let search = "loadgen bisect --least 10 fanout --rate 5 --slo-p99 5ms --most=100 --resolution 0.1 --seed 2";
        assert_eq!(
            one(search, System::Haproxy, "", &[("--rate", 14.5)]),
            "loadgen fanout --slo-p99 5ms --seed 2 --rate 14.5 --system haproxy"
        );
    }
}
