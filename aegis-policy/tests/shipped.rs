//! The policies that Aegis ships, each against the cases beside it, and the examples of the documentation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use aegis_policy::cases::{self, Coverage};
use common::source;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn each_shipped_policy_does_what_the_cases_beside_it_say() {
    let folder = root().join("policies");
    let mut tested = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".yaml") || name.ends_with(".test.yaml") {
            continue;
        }
        let snapshot = aegis_policy::compile(&[source(&name, &fs::read_to_string(&path).unwrap())])
            .unwrap_or_else(|problems| panic!("{name}: {:#?}", problems.problems()));
        let cases = cases::read(&fs::read_to_string(path.with_extension("test.yaml")).unwrap()).unwrap();
        assert!(cases.len() > 5, "{name}");
        let mut coverage = Coverage::new(&snapshot);
        for case in cases {
            let outcome = cases::run(&snapshot, &case).unwrap();
            assert!(outcome.passed, "{name}: {case:?}\n{outcome:?}");
            coverage.count(&outcome);
            tested += 1;
        }
        assert_eq!(coverage.unreached(), [""; 0], "{name}: rules that no case reaches");
        assert_eq!(coverage.percent(), 100);
    }
    assert!(tested > 30, "{tested}");
}

#[test]
fn the_starter_policy_is_the_file() {
    assert_eq!(aegis_policy::STARTER, fs::read_to_string(root().join("policies/starter.yaml")).unwrap());
}

/// Every yaml block of docs/policy.md is a file, or a list of rules.
#[test]
fn the_examples_of_the_documentation_compile() {
    let text = fs::read_to_string(root().join("docs/policy.md")).unwrap();
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 5);
    for block in blocks {
        let whole = if block.starts_with("- ") { common::policy(block) } else { block.to_owned() };
        assert!(common::snapshot(&whole).rules() > 0, "{block}");
    }
}
