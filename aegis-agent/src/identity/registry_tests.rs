#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::TokenMode;

fn spec(name: &str) -> AgentSpec {
    serde_json::from_value(serde_json::json!({ "name": name })).unwrap()
}

fn config(dir: &Path, agents: &[&str]) -> Config {
    Config {
        state_dir: dir.join("state"),
        cgroup_root: "/sys/fs/cgroup/aegis-test".into(),
        agents: agents.iter().map(|name| spec(name)).collect(),
        ..Config::default()
    }
}

fn index(registry: &Registry, name: &str) -> u32 {
    registry.by_name(name).unwrap().index.get()
}

#[test]
fn indexes_survive_restarts_and_are_never_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let first = Registry::open(&config(dir.path(), &["a", "b"])).unwrap();
    first.register(spec("c")).unwrap();
    assert_eq!((index(&first, "a"), index(&first, "b"), index(&first, "c")), (1, 2, 3));
    first.remove("c").unwrap();
    drop(first);

    let second = Registry::open(&config(dir.path(), &["b", "d"])).unwrap();
    let gone = Departed {
        name: "a".to_owned(),
        index: AgentIndex::new(1).unwrap(),
        cgroup: "/sys/fs/cgroup/aegis-test/a".into(),
    };
    assert_eq!(second.departed(), [gone], "a is gone");
    assert_eq!((index(&second, "b"), index(&second, "d")), (2, 4));
    assert_eq!(second.register(spec("c")).unwrap().index.get(), 5);
    drop(second);

    let third = Registry::open(&config(dir.path(), &["a"])).unwrap();
    assert_eq!((index(&third, "a"), index(&third, "c")), (6, 5));
}

#[test]
fn the_cgroup_of_an_agent_that_was_removed_is_known_until_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cgroups");
    let at = |agents: &[&str]| Config { cgroup_root: root.clone(), ..config(dir.path(), agents) };
    let made = |name: &str| {
        let cgroup = root.join(name);
        std::fs::create_dir_all(&cgroup).unwrap();
        cgroup
    };
    let registry = Registry::open(&at(&["named"])).unwrap();
    let base = registry.by_name("named").unwrap().cgroup.parent().unwrap().to_owned();
    assert_eq!(base, root);
    for name in ["one", "two"] {
        registry.register(spec(name)).unwrap();
    }
    let (one, named) = (made("one"), made("named"));
    registry.remove("one").unwrap();
    registry.remove("two").unwrap();
    assert_eq!(registry.left(), std::slice::from_ref(&one), "there is no cgroup of the second");
    drop(registry);
    let registry = Registry::open(&at(&[])).unwrap();
    assert_eq!(registry.left(), [named.clone(), one.clone()], "the configuration does not name it any more");
    std::fs::remove_dir(&one).unwrap();
    assert_eq!(registry.left(), [named]);
    // What somebody else makes there is another one, unless the inode is the very same.
    registry.register(spec("three")).unwrap();
    registry.remove("three").unwrap();
    assert!(!registry.left().contains(&one));
}

#[test]
fn an_agent_is_found_by_index_name_and_cgroup() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&config(dir.path(), &["a"])).unwrap();
    let agent = registry.by_name("a").unwrap();
    assert_eq!(agent.cgroup, Path::new("/sys/fs/cgroup/aegis-test/a"));
    assert_eq!(registry.by_index(agent.index).unwrap(), agent);
    for inside in ["/sys/fs/cgroup/aegis-test/a", "/sys/fs/cgroup/aegis-test/a/child/deeper"] {
        assert_eq!(registry.by_cgroup_path(Path::new(inside)).unwrap(), agent);
    }
    for outside in ["/sys/fs/cgroup/aegis-test", "/sys/fs/cgroup/aegis-test/ab", "/sys/fs/cgroup/a", "a"] {
        assert!(registry.by_cgroup_path(Path::new(outside)).is_none(), "{outside}");
    }
}

#[test]
fn a_registered_agent_is_changed_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&config(dir.path(), &["configured"])).unwrap();
    let before = registry.register(spec("a")).unwrap();
    let (old, new) = registry.update(AgentSpec { policies: vec!["p".into()], ..spec("a") }).unwrap();
    assert_eq!((old, new.index, new.agent.policies.as_slice()), (before, new.index, &["p".to_owned()][..]));
    assert_eq!(registry.by_index(new.index).unwrap(), new);
    assert_eq!(registry.by_cgroup_path(&new.cgroup.join("x")).unwrap(), new);
    assert!(matches!(registry.update(spec("configured")), Err(RegistryError::FromConfig { .. })));
    assert!(matches!(registry.update(spec("none")), Err(RegistryError::Unknown { .. })));
    assert!(registry.update(AgentSpec { org: String::new(), ..spec("a") }).is_err());
    drop(registry);
    let again = Registry::open(&config(dir.path(), &[])).unwrap();
    assert_eq!(again.by_name("a").unwrap().agent.policies, ["p"], "it is kept");
}

/// A registry whose root is a directory, and cgroups in it.
fn with_cgroups(dir: &Path, agents: &[&str]) -> Config {
    let root = dir.join("cg");
    for place in ["x.slice/one.service", "two.service"] {
        std::fs::create_dir_all(root.join(place)).unwrap();
    }
    Config { cgroup_root: root, ..config(dir, agents) }
}

fn discover(registry: &Registry, dir: &Path, name: &str, place: &str) -> Result<Arc<Enrolled>, RegistryError> {
    let cgroup = dir.join("cg").join(place);
    let id = std::fs::metadata(&cgroup).unwrap().ino();
    registry.discover(spec(name), cgroup, id)
}

#[test]
fn discovered_agents_take_no_name_and_no_cgroup_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&with_cgroups(dir.path(), &["configured"])).unwrap();
    registry.register(spec("registered")).unwrap();
    let one = discover(&registry, dir.path(), "one", "x.slice/one.service").unwrap();
    assert_eq!(registry.by_cgroup_path(&one.cgroup.join("inner")).unwrap(), one);
    assert_eq!(registry.by_cgroup_path(one.cgroup.parent().unwrap()), None);
    for taken in ["configured", "registered", "one"] {
        let refused = discover(&registry, dir.path(), taken, "two.service");
        assert!(matches!(&refused, Err(RegistryError::Taken { name, .. }) if name == taken), "{refused:?}");
    }
    assert!(discover(&registry, dir.path(), "other", "x.slice/one.service").is_err(), "one cgroup, one agent");
    assert!(matches!(registry.remove("one"), Err(RegistryError::Discovered { .. })));
    assert!(matches!(registry.update(spec("one")), Err(RegistryError::Discovered { .. })));
    assert!(matches!(
        registry.register(AgentSpec { token: TokenMode::Required, ..spec("one") }),
        Err(RegistryError::Discovered { .. })
    ));
    registry.forget(&one).unwrap();
    assert!(registry.by_name("one").is_none() && registry.by_cgroup_path(&one.cgroup).is_none());
    let again = discover(&registry, dir.path(), "one", "two.service").unwrap();
    assert_eq!(again.index, one.index, "a name keeps its index");
}

#[test]
fn discovered_agents_survive_a_restart_where_their_cgroup_does() {
    let dir = tempfile::tempdir().unwrap();
    let first = Registry::open(&with_cgroups(dir.path(), &[])).unwrap();
    let one = discover(&first, dir.path(), "one", "x.slice/one.service").unwrap();
    let two = discover(&first, dir.path(), "two", "two.service").unwrap();
    let three = first.register(spec("three")).unwrap();
    drop(first);
    // Another directory in the place of the one that was.
    std::fs::rename(&two.cgroup, dir.path().join("cg/old")).unwrap();
    let second = Registry::open(&with_cgroups(dir.path(), &[])).unwrap();
    assert_eq!(second.by_name("one").unwrap(), one);
    assert!(second.by_name("two").is_none() && second.by_name("three").is_some());
    let gone = Departed { name: "two".into(), index: two.index, cgroup: two.cgroup.clone() };
    assert_eq!(second.departed(), [gone]);
    let text = std::fs::read_to_string(dir.path().join("state/agents.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(kept["registered"].as_array().unwrap().len(), 1, "{kept}");
    drop(second);
    // Somebody names an agent so: the unit is not it any more.
    let third = Registry::open(&with_cgroups(dir.path(), &["one"])).unwrap();
    assert_eq!(third.by_name("one").unwrap().source, Source::Config);
    assert_eq!(third.departed().len(), 1);
    assert_eq!(third.by_name("three").unwrap().index, three.index);
}

#[test]
fn registering_is_idempotent_and_never_changes_an_agent() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&config(dir.path(), &["a"])).unwrap();
    assert_eq!(registry.register(spec("b")).unwrap(), registry.register(spec("b")).unwrap());
    let other = AgentSpec { token: TokenMode::Required, ..spec("b") };
    assert!(matches!(registry.register(other), Err(RegistryError::Exists { .. })));
    let other = AgentSpec { token: TokenMode::Required, ..spec("a") };
    assert!(matches!(registry.register(other), Err(RegistryError::FromConfig { .. })));
    assert!(matches!(registry.remove("a"), Err(RegistryError::FromConfig { .. })));
    assert!(matches!(registry.remove("z"), Err(RegistryError::Unknown { .. })));
    assert_eq!(registry.list().len(), 2);
}

#[test]
fn bad_descriptions_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&config(dir.path(), &[])).unwrap();
    for name in ["", "..", "a/b", "A", "-a", &"a".repeat(64)] {
        assert!(matches!(registry.register(spec(name)), Err(RegistryError::BadName { .. })), "{name}");
    }
    let host_bits = "10.0.0.1/8".parse().unwrap();
    let direct = crate::config::DirectSpec { cidr: host_bits, port: None, protocol: crate::config::Transport::Tcp };
    let wrong = [
        AgentSpec { parent: Some("a".into()), ..spec("a") },
        AgentSpec { network_namespace: Some("netns/x".into()), ..spec("a") },
        AgentSpec { network_namespace: Some("/run/netns/a\nb".into()), ..spec("a") },
        AgentSpec { org: String::new(), ..spec("a") },
        AgentSpec { scopes: vec!["x\n".into()], ..spec("a") },
        AgentSpec { scopes: vec!["x".into(); 257], ..spec("a") },
        AgentSpec { direct: vec![direct], ..spec("a") },
    ];
    for spec in wrong {
        assert!(matches!(registry.register(spec.clone()), Err(RegistryError::BadSpec { .. })), "{spec:?}");
    }
    assert!(registry.list().is_empty());
}

#[test]
fn the_file_is_private_and_a_broken_one_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    Registry::open(&config).unwrap().register(spec("a")).unwrap();
    let path = config.state_dir.join("agents.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let twice = r#"{"next_index": 3, "indexes": {"a": 2, "b": 2}, "registered": []}"#;
    for broken in ["{", twice, r#"{"next_index": 1, "indexes": {"a": 1}, "registered": []}"#] {
        std::fs::write(&path, broken).unwrap();
        let error = Registry::open(&config).err().unwrap();
        assert!(matches!(error, RegistryError::Unreadable { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), broken);
    }
}

#[test]
fn the_registry_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..MAX_AGENTS).map(|n| format!("a{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let registry = Registry::open(&config(dir.path(), &names)).unwrap();
    assert!(matches!(registry.register(spec("one-more")), Err(RegistryError::Full)));
}
