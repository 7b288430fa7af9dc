//! Self-contained pages: no script, no style sheet, no font and no picture from elsewhere; drawings are inline SVG. What is written is
//! XML as well as HTML, so that tests can read it back with a strict parser.

mod chart;
mod charts;
mod page;

pub(crate) use charts::percentile_chart;
pub(super) use page::page;

/// Style of every page: light or dark as the reader's system says.
const STYLE: &str = include_str!("style.css");

/// A whole document around `body`, which is markup already.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// Text as it may stand between tags and in attributes. Characters that XML does not know become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A part of a page under a heading.
pub(crate) fn section(heading: &str, content: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{content}</section>\n", escape(heading))
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;
    use crate::measure::figure::percentile;
    use crate::measure::{Phase, Series};
    use crate::outcome::{Growth, Held, Trend};
    use crate::report::run::Run;
    use crate::report::{made_up, summary};

    /// Reads a page with an XML parser: all tags closed and attributes quoted. Gives its element names and its text.
    fn must_be_well_formed(page: &str) -> (Vec<String>, String) {
        let mut reader = Reader::from_str(page);
        reader.config_mut().check_comments = true;
        let (mut names, mut text, mut open) = (Vec::new(), String::new(), Vec::new());
        loop {
            let event = reader.read_event().unwrap_or_else(|error| panic!("{error} at {}", reader.buffer_position()));
            match event {
                Event::Start(tag) => {
                    tag.attributes().for_each(|attribute| drop(attribute.unwrap()));
                    names.push(tag.name().as_ref().to_owned());
                    open.push(names.len());
                }
                Event::Empty(tag) => {
                    tag.attributes().for_each(|attribute| drop(attribute.unwrap()));
                    names.push(tag.name().as_ref().to_owned());
                }
                Event::End(_) => drop(open.pop().expect("the reader checks that ends match")),
                Event::Text(part) => text += &part,
                Event::GeneralRef(name) => text += &format!("&{};", &*name),
                Event::Eof => break,
                _ => {}
            }
        }
        assert!(open.is_empty(), "{} elements are not closed", open.len());
        (names, text)
    }

    #[test]
    fn page_is_well_formed_and_loads_nothing() {
        let record = made_up::fan_out(1, 20, 1.0);
        let page = page(&Run::of(&record), &record.intervals);
        let (names, text) = must_be_well_formed(&page);
        assert_eq!(names.iter().filter(|name| *name == "svg").count(), 4, "percentiles, time, hiccups, skew");
        assert!(!names.iter().any(|name| ["script", "link", "img", "iframe", "object"].contains(&name.as_str())));
        for foreign in ["http:", "https:", "url(", "@import", "src="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        let median = percentile(Run::of(&record).measured(Series::Last).unwrap(), 0.5).to_string();
        for expected in ["fanout through ringgate 0.1.0", &median, "loadgen fanout", "99.9%", "hiccup", "6.18.5"] {
            assert!(text.contains(expected), "{expected}");
        }
    }

    #[test]
    fn markup_in_names_versions_and_reasons_stays_text() {
        const NASTY: &str = "</title><script>alert(1)</script>\"'&\u{1}";
        let mut record = made_up::fan_out(2, 2, 1.0);
        let outcome = &mut record.outcome;
        outcome.scenario = NASTY.to_owned();
        outcome.command.push(NASTY.to_owned());
        outcome.options = serde_json::json!({ NASTY: NASTY });
        (outcome.system.name, outcome.system.version) = (NASTY.to_owned(), NASTY.to_owned());
        outcome.environment.processor = NASTY.to_owned();
        outcome.environment.mitigations = vec![NASTY.to_owned()];
        outcome.verdict.invalid = vec![NASTY.to_owned()];
        let page = page(&Run::of(&record), &record.intervals);
        let (names, _) = must_be_well_formed(&page);
        assert!(!names.iter().any(|name| name == "script"));
        assert!(page.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn page_of_a_soak_shows_what_the_system_held() {
        let mut record = made_up::fan_out(1, 20, 1.0);
        let look = |second: u32| Held {
            at: f64::from(second),
            phase: if second < 3 { Phase::WarmUp } else { Phase::Measure },
            resident_bytes: 20_000_000 + u64::from(second) * 50_000,
            descriptors: 240,
        };
        let memory = Some(Trend { per_hour: 1.8e8, least: 1.7e8, most: 1.9e8 });
        record.outcome.growth = Some(Growth { held: (0..23).map(look).collect(), memory, descriptors: None });
        let page = page(&Run::of(&record), &record.intervals);
        let (names, text) = must_be_well_formed(&page);
        assert_eq!(names.iter().filter(|name| *name == "svg").count(), 6, "two more");
        let slope = "memory: 180000 kB/hour, 95 %: 170000 kB/hour to 190000 kB/hour; 0 lies outside";
        assert!(text.contains(slope) && text.contains("descriptors: not known"), "{text}");
        assert!(page.contains("aria-label=\"memory over time\"") && text.contains("20.0 MB"));
    }

    #[test]
    fn page_of_an_attack_says_of_the_attacker_what_the_summary_says() {
        let record = made_up::hostile(1, 2);
        let (_, text) = must_be_well_formed(&page(&Run::of(&record), &record.intervals));
        let shown = summary(&record, 100, false);
        for said in ["elements: 1.20 GB, 600 MB/s\n", "1,204 streams opened, 1,203 ended by the system, 17 refused\n"] {
            assert!(text.contains(said) && shown.contains(said), "{said}: {text}");
        }
        assert!(text.contains("attackelements"), "the row has a name: {text}");
        let usual = made_up::fan_out(1, 2, 1.0);
        assert!(!page(&Run::of(&usual), &usual.intervals).contains("attack"));
    }

    #[test]
    fn run_without_figures_still_has_a_page() {
        let mut record = made_up::fan_out(3, 1, 1.0);
        record.intervals.clear();
        let (names, text) = must_be_well_formed(&page(&Run::of(&record), &[]));
        assert!(!names.iter().any(|name| name == "svg"));
        assert!(text.contains("220"));
    }
}
