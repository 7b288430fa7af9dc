//! The file as tables of known keys: syntax, unknown and misplaced keys, shapes and bounds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Absent, KEYS, Key, Shape, TABLES, parse_time};
use super::problem::{Located, Place, Problems};

/// A parsed file.
#[derive(Debug)]
pub(super) struct Document {
    sections: BTreeMap<&'static str, Vec<Section>>,
}

/// One table of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    place: Place,
    entries: BTreeMap<&'static str, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    line: usize,
}

/// A TOML value without its borrowed text.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<(Value, usize)>),
    /// Anything else, by its TOML name.
    Other(&'static str),
}

/// Byte offset → line.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }
    fn at(&self, span: &Range<usize>) -> usize {
        self.0.partition_point(|start| *start <= span.start)
    }
}

impl Document {
    /// Parses `text`; `None` when it is not TOML. Keys that nobody knows and tables in the wrong form are added to
    /// `problems` and left out, so that later steps find their errors too.
    pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Self> {
        let lines = Lines::of(text);
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| lines.at(&span));
            let place = Place { key: "(syntax)".into(), line };
            problems.error(&place, error.message().replace('\n', ", "), "write it as TOML 1.0 demands");
        }
        if !problems.errors.is_empty() {
            return None; // What was recovered would only add errors that are not the operator's.
        }
        let mut document = Self { sections: BTreeMap::new() };
        document.sections.insert("", vec![Section::read("", "", Some(1), root.get_ref(), &lines, problems)]);
        for (name, value) in root.get_ref() {
            if let Some(table) = TABLES.iter().find(|table| table.name == name.get_ref().as_ref()) {
                let sections = read_sections(table.name, table.repeats, value, &lines, problems);
                document.sections.insert(table.name, sections);
            }
        }
        Some(document)
    }

    /// The key whose file `text` is about: `text` is its path, or begins or ends with it.
    pub(super) fn place_of_file(&self, directory: &Path, text: &str) -> Place {
        let is_about = |file: &str| text.contains(&*directory.join(file).to_string_lossy());
        let entries =
            self.sections.values().flatten().flat_map(|section| {
                section.entries.iter().map(move |(name, entry)| (&section.place.key, *name, entry))
            });
        let mut found = entries.filter_map(|(table, name, entry)| match &entry.value {
            Value::Text(file) if KEYS.iter().any(|key| key.name == name && key.is_file()) && is_about(file) => {
                Some((file.len(), Place { key: dotted(table, name), line: Some(entry.line) }))
            }
            _ => None,
        });
        // The longest name: one file's name may be the beginning of another's.
        let longest = found.by_ref().max_by_key(|(length, _)| *length);
        longest.map_or_else(|| Place { key: "(file)".into(), line: None }, |(_, place)| place)
    }

    /// The table `name`, empty if it is not there.
    pub(super) fn section(&self, name: &'static str) -> Section {
        self.sections(name)
            .first()
            .cloned()
            .unwrap_or(Section { place: Place { key: name.to_owned(), line: None }, entries: BTreeMap::new() })
    }

    /// All tables `[[name]]`.
    pub(super) fn sections(&self, name: &'static str) -> &[Section] {
        self.sections.get(name).map_or(&[], Vec::as_slice)
    }
}

fn read_sections(
    name: &'static str,
    repeats: bool,
    value: &Spanned<DeValue<'_>>,
    lines: &Lines,
    problems: &mut Problems,
) -> Vec<Section> {
    let line = Some(lines.at(&value.span()));
    match value.get_ref() {
        DeValue::Table(table) if !repeats => vec![Section::read(name, name, line, table, lines, problems)],
        DeValue::Array(array) if repeats && array.iter().all(|item| item.get_ref().is_table()) => array
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let label = format!("{name}[{}]", index + 1);
                let line = Some(lines.at(&item.span()));
                Some(Section::read(name, &label, line, item.get_ref().as_table()?, lines, problems))
            })
            .collect(),
        _ => {
            let header = if repeats { format!("[[{name}]]") } else { format!("[{name}]") };
            let place = Place { key: name.to_owned(), line };
            problems.error(
                &place,
                "is not written as this table must be",
                format!("write {header} on a line of its own"),
            );
            Vec::new()
        }
    }
}

impl Section {
    fn read(
        table: &'static str,
        label: &str,
        line: Option<usize>,
        content: &DeTable<'_>,
        lines: &Lines,
        problems: &mut Problems,
    ) -> Self {
        let mut section = Self { place: Place { key: label.to_owned(), line }, entries: BTreeMap::new() };
        for (name, value) in content {
            let (spelt, line) = (name.get_ref().as_ref(), lines.at(&name.span()));
            match KEYS.iter().find(|key| key.table == table && key.name == spelt) {
                Some(key) => {
                    let value = Value::of(value.get_ref(), lines);
                    section.entries.insert(key.name, Entry { value, line });
                }
                None if table.is_empty() && TABLES.iter().any(|known| known.name == spelt) => {}
                None => problems.error(
                    &Place { key: dotted(label, spelt), line: Some(line) },
                    "is not a key that ringgate knows",
                    remedy_for_unknown(table, spelt),
                ),
            }
        }
        section
    }

    /// Where `key` stands, or where its table does.
    pub(super) fn place_of(&self, key: &Key) -> Place {
        let line = self.entries.get(key.name).map(|entry| entry.line).or(self.place.line);
        Place { key: dotted(&self.place.key, key.name), line }
    }

    /// Whether the file has `key` in this table.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.entries.contains_key(key.name)
    }

    pub(super) fn text(&self, key: &Key, problems: &mut Problems) -> Option<Located<String>> {
        self.get(key, problems, |value| match value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::Text(_) | Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Other(_) => None,
        })
    }

    pub(super) fn word(&self, key: &Key, problems: &mut Problems) -> Option<Located<String>> {
        let Shape::Word(words) = key.shape else { unreachable!("{} is a word", key.name) };
        self.get(key, problems, |value| match value {
            Value::Text(text) if words.contains(&text.as_str()) => Some(text.clone()),
            _ => None,
        })
    }

    pub(super) fn flag(&self, key: &Key, problems: &mut Problems) -> Option<Located<bool>> {
        self.get(key, problems, |value| match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    pub(super) fn number(&self, key: &Key, problems: &mut Problems) -> Option<Located<i64>> {
        let Shape::Number(min, max, _) = key.shape else { unreachable!("{} is a number", key.name) };
        self.get(key, problems, |value| match value {
            Value::Number(number) if (min..=max).contains(number) => Some(*number),
            _ => None,
        })
    }

    pub(super) fn time(&self, key: &Key, problems: &mut Problems) -> Option<Located<Duration>> {
        let Shape::Time(min, max) = key.shape else { unreachable!("{} is a time", key.name) };
        self.get(key, problems, |value| match value {
            Value::Text(text) => parse_time(text).filter(|time| (min..=max).contains(time)),
            _ => None,
        })
    }

    /// A list of strings (for [`Shape::Words`], of its words without repetition), each with its line.
    pub(super) fn list(&self, key: &Key, problems: &mut Problems) -> Option<Vec<Located<String>>> {
        let found = self.get(key, problems, |value| {
            let Value::List(items) = value else { return None };
            let texts = items.iter().map(|(item, line)| match item {
                Value::Text(text) if !text.trim().is_empty() => Some((text.clone(), *line)),
                _ => None,
            });
            let texts = texts.collect::<Option<Vec<_>>>()?;
            match key.shape {
                Shape::Words(words) => are_distinct_words(&texts, words).then_some(texts),
                _ => Some(texts),
            }
        })?;
        let is_default = !self.has(key);
        let locate = |(value, line): (String, usize)| {
            let line = if is_default { found.place.line } else { Some(line) };
            Located { value, place: Place { key: found.place.key.clone(), line } }
        };
        Some(found.value.into_iter().map(locate).collect())
    }

    fn get<T>(&self, key: &Key, problems: &mut Problems, take: impl Fn(&Value) -> Option<T>) -> Option<Located<T>> {
        let place = self.place_of(key);
        let Some(entry) = self.entries.get(key.name) else {
            return match key.absent {
                Absent::Default(text) => {
                    let value = take(&Value::of_text(text)).expect("every default has the shape of its key");
                    Some(Located { value, place })
                }
                Absent::Derived(_) => None,
                Absent::Required => {
                    problems.error(&place, "is missing", format!("add it: {}", key.expectation()));
                    None
                }
            };
        };
        let found = take(&entry.value);
        if found.is_none() {
            let problem = format!("{} is not allowed here", entry.value.describe());
            problems.error(&place, problem, format!("give {}", key.expectation()));
        }
        found.map(|value| Located { value, place })
    }
}

fn are_distinct_words(texts: &[(String, usize)], words: &[&str]) -> bool {
    !texts.is_empty()
        && texts.iter().enumerate().all(|(index, (text, _))| {
            words.contains(&text.as_str()) && texts[..index].iter().all(|(earlier, _)| earlier != text)
        })
}

impl Value {
    fn of(value: &DeValue<'_>, lines: &Lines) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("a number beyond 64 bits"), Self::Number),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Array(items) => {
                Self::List(items.iter().map(|item| (Self::of(item.get_ref(), lines), lines.at(&item.span()))).collect())
            }
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    fn of_text(text: &str) -> Self {
        let value = DeValue::parse(text).expect("every default is TOML");
        Self::of(value.get_ref(), &Lines::of(text))
    }

    fn describe(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(items) => {
                let items = items.iter().map(|(item, _)| item.describe()).collect::<Vec<_>>();
                format!("[{}]", items.join(", "))
            }
            Self::Other(name) => (*name).to_owned(),
        }
    }
}

fn dotted(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

/// Points to the key or table that was probably meant: another table's key, or the nearest spelling.
fn remedy_for_unknown(table: &str, spelt: &str) -> String {
    let here = || KEYS.iter().filter(|key| key.table == table).map(|key| key.name);
    let tables = TABLES.iter().map(|known| known.name).filter(|_| table.is_empty());
    let nearest = here().chain(tables).min_by_key(|name| edit_distance(name, spelt));
    if let Some(name) = nearest.filter(|name| edit_distance(name, spelt) <= 2) {
        return format!("did you mean \"{name}\"?");
    }
    let elsewhere = KEYS.iter().find(|key| key.name == spelt);
    if let Some(key) = elsewhere {
        let place = if key.table.is_empty() { "above the first table".into() } else { format!("in [{}]", key.table) };
        return format!("\"{spelt}\" belongs {place}");
    }
    let known = here().collect::<Vec<_>>().join(", ");
    format!("remove it; known here: {known}")
}

/// Insertions, deletions and replacements from `a` to `b` (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Reads a file that a configuration consists of or names, of at most 16 MiB (a bundle of authorities is the largest).
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    const LARGEST_FILE_BYTES: u64 = 16 << 20;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err("larger than 16 MiB".to_owned());
    }
    Ok(bytes)
}
