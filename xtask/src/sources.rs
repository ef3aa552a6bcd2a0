//! Rules about single files: length, a purpose at the top, no unfinished marks, no words that belong elsewhere.

use crate::tree::TextFile;

/// Longer files are split.
const MAX_LINES: usize = 500;

/// What must not stand in any file, and why. Written in two halves so that this file passes its own check.
const FORBIDDEN: [(&str, &str, &str); 7] = [
    ("todo", "!(", "unfinished code"),
    ("unimplemented", "!(", "unfinished code"),
    ("FIX", "ME", "an unfinished mark"),
    ("XX", "X", "an unfinished mark"),
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("#[al", "low(", "`#[expect(…, reason = …)]` says why and fails when it is no longer needed"),
];

/// Modules that alone may name what stands before them.
const ONLY_IN: [(&str, &[&str]); 2] = [
    ("highs", &["crates/planner/src/milp"]),
    ("unsafe {", &["crates/engine/src/backends", "crates/planner/src/milp/callbacks.rs"]),
];

/// Appends what is wrong with the file.
pub fn check(file: &TextFile, findings: &mut Vec<String>) {
    let data = ["lock", "json", "csv", "svg", "snap"].iter().any(|end| file.has_extension(end));
    if !data {
        check_words(file, findings);
    }
    if !file.has_extension("rs") {
        return;
    }
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{}: {lines} lines, {MAX_LINES} at the most: split it", file.path));
    }
    if !file.text.starts_with("//!") && !file.text.starts_with("#!") {
        findings.push(format!("{}:1: a file opens with its purpose (`//! …`)", file.path));
    }
    for (word, homes) in ONLY_IN {
        if file.path.starts_with("xtask/") || homes.iter().any(|home| file.path.starts_with(home)) {
            continue;
        }
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(word) && !code.contains(&format!("\"{word}")) {
                findings.push(format!(
                    "{}:{}: only {} may say `{word}`",
                    file.path,
                    number + 1,
                    homes.join(" and ")
                ));
            }
        }
    }
}

fn check_words(file: &TextFile, findings: &mut Vec<String>) {
    for (number, line) in file.text.lines().enumerate() {
        for (half, rest, why) in FORBIDDEN {
            if line.match_indices(half).any(|(at, _)| line[at + half.len()..].starts_with(rest)) {
                findings.push(format!("{}:{}: `{half}{rest}` is {why}", file.path, number + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        let mut findings = Vec::new();
        check(&TextFile { path: path.to_owned(), text: text.to_owned() }, &mut findings);
        findings.len()
    }

    #[test]
    fn every_rule_finds_what_breaks_it() {
        let good = "//! Purpose.\n\nfn f() {}\n";
        assert_eq!(findings("crates/spec/src/a.rs", good), 0);
        assert_eq!(findings("crates/spec/src/a.rs", "fn f() {}\n"), 1);
        assert_eq!(findings("crates/spec/src/a.rs", &format!("{good}{}", "\n".repeat(MAX_LINES))), 1);
        for (half, rest, _) in FORBIDDEN {
            assert_eq!(findings("README.md", &format!("a\nb {half}{rest} c\n")), 1, "{half}{rest}");
        }
        assert_eq!(findings("crates/cli/src/a.rs", &format!("{good}use highs::Model;\n")), 1);
        assert_eq!(findings("crates/planner/src/milp/a.rs", &format!("{good}use highs::Model;\n")), 0);
        let bare = format!("{good}fn g() {{ unsafe {{ h() }} }}\n");
        assert_eq!(findings("crates/planner/src/milp/solver.rs", &bare), 1);
        assert_eq!(findings("crates/planner/src/milp/callbacks.rs", &bare), 0);
    }
}
