//! Documents as agents send them, with a place for a name and its value.

/// How a value is written in a document.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Syntax {
    Plain,
    /// In a string of JSON, or of a language that escapes as it does.
    Quoted,
    /// In a string of JSON that is in a string of JSON.
    QuotedTwice,
    Markup,
    /// In a quoted cell.
    Cell,
    Sql,
    /// One line: line ends as `\n`.
    Line,
}

/// How a name is written in a document.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Spelling {
    /// As it is said.
    Said,
    Capitals,
    Underscores,
    Camel,
}

/// A document: its name, its text with `{name}` and `{value}`, and how it writes them.
pub struct Carrier {
    pub name: &'static str,
    text: &'static str,
    syntax: Syntax,
    spelling: Spelling,
}

/// The table, whose heading says what stands below it where it is sent as one: pasted into other text it does not.
pub const TABLE: &str = "CSV export";

const fn carrier(name: &'static str, text: &'static str, syntax: Syntax, spelling: Spelling) -> Carrier {
    Carrier { name, text, syntax, spelling }
}

pub const ALL: &[Carrier] = &[
    carrier("chat message", include_str!("carriers/chat.txt"), Syntax::Plain, Spelling::Said),
    carrier(TABLE, include_str!("carriers/export.csv"), Syntax::Cell, Spelling::Said),
    carrier(".env file", include_str!("carriers/env.txt"), Syntax::Line, Spelling::Capitals),
    carrier("YAML", include_str!("carriers/values.yaml"), Syntax::Quoted, Spelling::Underscores),
    carrier("shell history", include_str!("carriers/history.txt"), Syntax::Line, Spelling::Capitals),
    carrier("log line", include_str!("carriers/app.log"), Syntax::Line, Spelling::Underscores),
    carrier("tool call", include_str!("carriers/call.json"), Syntax::QuotedTwice, Spelling::Underscores),
    carrier("e-mail", include_str!("carriers/mail.txt"), Syntax::Plain, Spelling::Said),
    carrier("HTML", include_str!("carriers/page.html"), Syntax::Markup, Spelling::Said),
    carrier("Markdown table", include_str!("carriers/table.md"), Syntax::Line, Spelling::Said),
    carrier("source code", include_str!("carriers/source.txt"), Syntax::Quoted, Spelling::Camel),
    carrier("git diff", include_str!("carriers/change.diff"), Syntax::Line, Spelling::Underscores),
    carrier("settings", include_str!("carriers/settings.toml"), Syntax::Quoted, Spelling::Underscores),
    carrier(
        "Go",
        "func main() {\n\tvar {name} string = \"{value}\"\n\t_ = {name}\n}\n",
        Syntax::Quoted,
        Spelling::Camel,
    ),
    carrier("PHP", "<?php\n${name} .= \"{value}\";\n", Syntax::Quoted, Spelling::Camel),
    carrier("Ruby", "config = {\n  \"{name}\" => \"{value}\",\n}\n", Syntax::Quoted, Spelling::Underscores),
    carrier("Java", "System.setProperty(\"{name}\", \"{value}\");\n", Syntax::Quoted, Spelling::Capitals),
    carrier("makefile", "all: build\n{name} := {value}\nbuild:\n\techo ok\n", Syntax::Line, Spelling::Capitals),
    carrier(
        "shell options",
        "curl -sS -X POST https://api.example.com/v1/x -H '{name}: {value}' -d @body.json\n",
        Syntax::Line,
        Spelling::Said,
    ),
    carrier("comparison", "if ({name} == \"{value}\") {\n  return true;\n}\n", Syntax::Quoted, Spelling::Camel),
    carrier(
        "properties",
        "server.port=8080\napp.{name}={value}\nlogging.level=INFO\n",
        Syntax::Line,
        Spelling::Underscores,
    ),
    carrier(
        "XML settings",
        "<settings>\n  <add key=\"{name}\" value=\"{value}\" />\n</settings>\n",
        Syntax::Markup,
        Spelling::Camel,
    ),
    carrier("SQL dump", include_str!("carriers/dump.sql"), Syntax::Sql, Spelling::Underscores),
];

impl Carrier {
    /// The document with a value under a name.
    pub fn with(&self, name: &str, value: &str) -> String {
        self.text.replace("{name}", &spelled(name, self.spelling)).replace("{value}", &written(value, self.syntax))
    }

    /// The document with nothing to be found in it.
    pub fn clean(&self) -> String {
        self.with("remark", "nothing of note")
    }
}

fn quoted(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn written(value: &str, syntax: Syntax) -> String {
    match syntax {
        Syntax::Plain => value.to_owned(),
        Syntax::Quoted => quoted(value),
        Syntax::QuotedTwice => quoted(&quoted(value)),
        Syntax::Markup => value.replace('&', "&amp;").replace('<', "&lt;"),
        Syntax::Cell => value.replace('"', "\"\""),
        Syntax::Sql => value.replace('\'', "''"),
        Syntax::Line => value.replace('\n', "\\n"),
    }
}

fn spelled(name: &str, spelling: Spelling) -> String {
    match spelling {
        Spelling::Said => name.to_owned(),
        Spelling::Capitals => name.to_uppercase().replace([' ', '-'], "_").replace('\'', ""),
        Spelling::Underscores => name.to_lowercase().replace([' ', '-'], "_").replace('\'', ""),
        Spelling::Camel => {
            let mut words = name.split([' ', '_', '-']).map(|word| word.to_lowercase().replace('\'', ""));
            let first = words.next().unwrap_or_default();
            words.fold(first, |all, word| {
                let (head, tail) = word.split_at(usize::from(!word.is_empty()));
                all + &head.to_uppercase() + tail
            })
        }
    }
}
