//! The command line that repeats one run out of several.

/// What a bench or a search is asked for, but none of its runs, or not so; each has a value.
const OF_SEVERAL: [&str; 7] = ["--system", "--out", "--rounds", "--only", "--least", "--most", "--resolution"];
/// Other options with a value that may stand in front of `bench` or `bisect`.
const IN_FRONT: [&str; 7] =
    ["--system-cores", "--engine-cores", "--shards", "--ringgate", "--attach", "--attach-wait", "--pid"];

/// The arguments of one run, but for its system: those of the bench or search without what is about several runs, after the
/// scenario and options in `line` (none: the arguments name the scenario), with these options instead of the ones that are there.
pub(super) fn one_of(arguments: &[String], line: &str, instead: &[(&'static str, f64)]) -> Vec<String> {
    let mut arguments = arguments.iter().cloned();
    let mut kept: Vec<String> = arguments.next().into_iter().collect();
    kept.extend(line.split_whitespace().map(str::to_owned));
    let mut is_in_front = true;
    while let Some(word) = arguments.next() {
        let name = word.split('=').next().unwrap_or_default();
        let is_left_out = OF_SEVERAL.contains(&name) || instead.iter().any(|(option, _)| *option == name);
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
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(arguments: &str, line: &str, instead: &[(&'static str, f64)]) -> String {
        one_of(&arguments.split(' ').map(str::to_owned).collect::<Vec<_>>(), line, instead).join(" ")
    }

    #[test]
    fn run_of_a_bench_has_the_scenario_and_what_is_said_of_its_place() {
        let bench = "loadgen --out bench --ringgate bench bench --rounds 3 message -k 5 --system ringgate,direct --rate=9 --keep";
        assert_eq!(one(bench, "", &[]), "loadgen --ringgate bench message -k 5 --rate=9 --keep");
        let suite = "loadgen bench --only one,fanout --rounds=2 --engine-cores 1";
        assert_eq!(
            one(suite, "fanout -k 100", &[("--rate", 123.0)]),
            "loadgen fanout -k 100 --engine-cores 1 --rate 123"
        );
    }

    #[test]
    fn run_of_a_search_has_its_own_rate() {
        let search = "loadgen bisect --least 10 fanout --rate 5 --slo-p99 5ms --most=100 --resolution 0.1 --seed 2";
        assert_eq!(one(search, "", &[("--rate", 14.5)]), "loadgen fanout --slo-p99 5ms --seed 2 --rate 14.5");
    }
}
