//! Command lines as a shell reads them.

/// The words in a line, quoted where need be.
pub fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// As a shell takes it for one word.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_split_or_expand_are_quoted() {
        let words = ["loadgen", "--out", "a b", "", "it's", "$HOME", "--rate=5"].map(str::to_owned);
        assert_eq!(shell_line(&words), r"loadgen --out 'a b' '' 'it'\''s' '$HOME' --rate=5");
    }
}
