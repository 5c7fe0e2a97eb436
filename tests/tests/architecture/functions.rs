//! How long a function may be.

use super::{report, shipped, sources};

/// Lines from `fn` to the closing brace.
const MOST: usize = 60;

const TABLE: &str = "one match over the table of messages of TS 24.334 or TS 24.587: its lines are the rows";
const SPEED: &str = "an inner loop: a cut would cost speed";

/// Functions that are longer, each with its reason.
const LONGER: [(&str, &str, &str); 4] = [
    ("phy/src/coding/turbo/decoder.rs", "decode", SPEED),
    ("wire/src/pc5_signalling/lte.rs", "emit", TABLE),
    ("wire/src/pc5_signalling/lte.rs", "parse", TABLE),
    ("wire/src/pc5_signalling/nr.rs", "emit", TABLE),
];

/// A function with its body.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    /// Line of its `fn`, from 1 on.
    line: usize,
    /// Lines from there to the closing brace.
    lines: usize,
}

#[test]
fn functions_are_short() {
    let mut broken = Vec::new();
    let mut longer: Vec<_> = LONGER.to_vec();
    for (path, text) in sources(".") {
        if path.starts_with("tests/") || path.contains("/benches/") || path.contains("/examples/") {
            continue;
        }
        for Function { name, line, lines } in functions(&shipped(&path, &text)) {
            if lines <= MOST {
                continue;
            }
            match longer.iter().position(|(in_path, of_name, _)| *in_path == path && *of_name == name) {
                Some(known) => _ = longer.swap_remove(known),
                None => broken.push(format!("{path}:{line} {name}: {lines} lines")),
            }
        }
    }
    broken.extend(longer.into_iter().map(|(path, name, reason)| {
        format!("{path} {name} is short now: take it out of the table ({reason})")
    }));
    report("a function has at most 60 lines, or a reason", broken);
}

/// The functions of `code` that have a body, those within others too.
fn functions(code: &str) -> Vec<Function> {
    let starts = code.match_indices("fn ").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    });
    let function = |(at, word): (usize, &str)| {
        let name: String =
            code[at + word.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let end = at + end_of_body(&code[at..])?;
        let line = code[..at].matches('\n').count() + 1;
        // a marker of a clause makes no function longer
        let lines = code[at..end].lines().filter(|line| !line.trim_start().starts_with("// TS ")).count();
        (!name.is_empty()).then_some(Function { name, line, lines })
    };
    starts.filter_map(function).collect()
}

/// Where the body ends of the function whose `fn` begins `code`; none where it has no body.
fn end_of_body(code: &str) -> Option<usize> {
    // parentheses and brackets, within which neither `{` nor `;` means anything; then braces
    let (mut depth, mut braces) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 && braces == 0 => return None,
            '{' if depth == 0 || braces > 0 => braces += 1,
            '}' if braces > 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn lines_of_functions_are_counted_from_fn_to_brace() {
    let text = "struct F(fn (u8) -> u8);\ntrait T {\n    fn none(&self, a: [u8; 3]);\n}\n\
                pub fn a<const N: usize>(\n    x: [u8; N],\n) -> [u8; 2] {\n    fn within() {}\n    [0; 2]\n}\n\
                #[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\nmod inside {\n    fn c() {\n    }\n}\nfn d() {\n}\n";
    let expected = [("a", 5, 6), ("within", 8, 1), ("b", 13, 1), ("d", 19, 2)];
    let expected = expected.map(|(name, line, lines)| Function { name: name.to_owned(), line, lines });
    assert_eq!(functions(&shipped("a.rs", text)), expected);
}
