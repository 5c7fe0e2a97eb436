//! The blocks of a markdown document.

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Commands.
    Shell,
    /// What commands print.
    Text,
    /// Something else: TOML, JSON.
    Other,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// Line of the fence, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
    /// Why it does not run.
    pub(crate) not_run: Option<String>,
    /// Whether nothing but blank lines is between it and the block before.
    adjacent: bool,
}

/// Commands, and what they print where it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) commands: Block,
    pub(crate) shown: Option<Block>,
}

const NOT_RUN: &str = "<!-- not run:";

/// Returns the steps of a document, in order.
///
/// # Errors
/// A block of text that nothing prints, with its line.
pub(crate) fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks(text) {
        let last = steps.last_mut().filter(|step| step.shown.is_none() && step.commands.kind == Kind::Shell);
        match (block.kind, last) {
            (Kind::Shell, _) => steps.push(Step { commands: block, shown: None }),
            (Kind::Text, Some(step)) if block.adjacent => step.shown = Some(block),
            (Kind::Text, _) if block.not_run.is_some() => steps.push(Step { commands: block, shown: None }),
            (Kind::Text, _) => {
                let why =
                    "shows what no block right above it prints; or write <!-- not run: why --> before it";
                return Err(format!("{}: a block of text that {why}", block.line));
            }
            (Kind::Other, _) => {}
        }
    }
    Ok(steps)
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut not_run, mut adjacent) = (None, false);
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if let Some(language) = line.strip_prefix("```") {
            let kind = match language {
                "sh" => Kind::Shell,
                "text" => Kind::Text,
                _ => Kind::Other,
            };
            let inside: Vec<_> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
            let text = inside.join("\n");
            blocks.push(Block { kind, line: number + 1, text, not_run: not_run.take(), adjacent });
            adjacent = true;
        } else if let Some(why) = line.strip_prefix(NOT_RUN) {
            not_run = Some(why.trim_end_matches("-->").trim().to_owned());
        } else if !line.is_empty() {
            (not_run, adjacent) = (None, false);
        }
    }
    blocks
}
