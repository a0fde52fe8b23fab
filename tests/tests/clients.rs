//! Unmodified clients: each gets an allowed answer from the real origin, and of a denial the body that says why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Outcome, Settings, python};

/// The reason of the rule that refuses `/forbidden`: it has to reach the client's user.
const WHY: &str = "this path is forbidden in the laboratory";

fn run_python(lab: &Lab, program: &str) -> Outcome {
    lab.agent(AGENT).limit(Duration::from_secs(60)).run(&[python().to_str().unwrap(), "-c", program]).unwrap()
}

/// Both halves of the promise, for a client that prints `200 <body>` and `403 <body>`.
fn assert_allowed_and_denied(lab: &Lab, outcome: &Outcome, alpn: &str) {
    assert!(outcome.stdout.contains("200 hello from api.allowed.test"), "{outcome:?}");
    assert!(outcome.stdout.contains("403") && outcome.stdout.contains(WHY), "{outcome:?}");
    let seen = lab.internet.requests.all();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].path.as_str(), seen[0].alpn.as_deref()), ("/hello", Some(alpn)));
}

#[test]
fn curl_over_h1_and_h2() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    for (version, alpn) in [("--http1.1", "http/1.1"), ("--http2", "h2")] {
        lab.internet.requests.clear();
        let script = format!(
            "curl -sS {version} -w '%{{http_code}}' https://api.allowed.test/forbidden; printf '\\n200 '; curl -sS {version} https://api.allowed.test/hello"
        );
        assert_allowed_and_denied(&lab, &lab.agent(AGENT).shell(&script).unwrap(), alpn);
    }
    drop(daemon);
}

#[test]
fn python_standard_library() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let program = "import urllib.request, urllib.error\n\
        r = urllib.request.urlopen('https://api.allowed.test/hello', timeout=20); print(r.status, r.read().decode())\n\
        try: urllib.request.urlopen('https://api.allowed.test/forbidden', timeout=20)\n\
        except urllib.error.HTTPError as e: print(e.code, e.read().decode())";
    assert_allowed_and_denied(&lab, &lab.agent(AGENT).python(program).unwrap(), "http/1.1");
    drop(daemon);
}

#[test]
fn python_requests() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let program = "import requests\ns = requests.Session()\n\
        for path in ('hello', 'forbidden'):\n    r = s.get('https://api.allowed.test/' + path, timeout=20); print(r.status_code, r.text)";
    assert_allowed_and_denied(&lab, &run_python(&lab, program), "http/1.1");
    drop(daemon);
}

#[test]
fn python_httpx_over_h1_and_h2() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    for (http2, alpn) in [("False", "http/1.1"), ("True", "h2")] {
        lab.internet.requests.clear();
        let program = format!(
            "import httpx\nwith httpx.Client(http2={http2}, timeout=20) as c:\n    for path in ('hello', 'forbidden'):\n        r = c.get('https://api.allowed.test/' + path); print(r.status_code, r.text)"
        );
        assert_allowed_and_denied(&lab, &run_python(&lab, &program), alpn);
    }
    drop(daemon);
}

#[test]
fn openai_sdk() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let program = r#"
import openai
def ask(base):
    client = openai.OpenAI(api_key='not-a-key', base_url=base, timeout=20)
    return client.chat.completions.create(model='laboratory', messages=[{'role': 'user', 'content': 'what is the answer?'}])
print('answer', ask('https://llm.allowed.test/v1').choices[0].message.content)
try: ask('https://llm.allowed.test/forbidden/v1')
except openai.PermissionDeniedError as e: print('denied', e.status_code, e.body)
"#;
    let outcome = run_python(&lab, program);
    assert!(outcome.stdout.contains("answer 42"), "{outcome:?}");
    assert!(outcome.stdout.contains("denied 403") && outcome.stdout.contains(WHY), "{outcome:?}");
    let seen = lab.internet.requests.at("llm.allowed.test");
    assert_eq!(seen.len(), 1, "a denial is not retried against the origin");
    assert!(seen[0].text().contains("what is the answer?"));
    drop(daemon);
}

#[test]
fn node_fetch() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let program = "(async () => { for (const path of ['hello', 'forbidden']) { \
        const r = await fetch('https://api.allowed.test/' + path); console.log(r.status, await r.text()); } })()";
    let outcome = lab.agent(AGENT).run(&["node", "-e", program]).unwrap();
    assert_allowed_and_denied(&lab, &outcome, "http/1.1");
    drop(daemon);
}

#[test]
fn go_net_http_over_h2() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let program = r#"package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
    for _, path := range []string{"hello", "forbidden"} {
        r, err := http.Get("https://api.allowed.test/" + path)
        if err != nil { fmt.Println(err); os.Exit(1) }
        body, _ := io.ReadAll(r.Body)
        fmt.Println(r.StatusCode, string(body), r.Proto)
    }
}
"#;
    let outcome = lab.agent(AGENT).run(&[lab.go(program).unwrap()]).unwrap();
    assert_allowed_and_denied(&lab, &outcome, "h2");
    assert!(outcome.stdout.contains("HTTP/2.0"), "{outcome:?}");
    drop(daemon);
}

#[test]
fn git_clone_over_https() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let site = lab.internet.www().join("git.allowed.test");
    std::fs::create_dir_all(&site).unwrap();
    let script = format!(
        "set -e; cd {}; git init -q -b main work; cd work; echo laboratory > file; git add file; \
         git -c user.name=lab -c user.email=lab@example.test commit -q -m one; cd ..; \
         git clone -q --bare work project.git; git -C project.git update-server-info; cp -r project.git {}/",
        lab.path("home").display(),
        site.display()
    );
    let made = lab.bystander().shell(&script).unwrap();
    assert!(made.ok(), "{made:?}");
    let clone =
        lab.agent(AGENT).shell("git clone -q https://git.allowed.test/project.git copy && cat copy/file").unwrap();
    assert_eq!(clone.stdout, "laboratory\n", "{clone:?}");
    assert!(
        lab.internet
            .requests
            .at("git.allowed.test")
            .iter()
            .any(|request| request.path.starts_with("/project.git/info/refs"))
    );
    let denied = lab.agent(AGENT).shell("git clone -q https://git.allowed.test/forbidden/project.git other").unwrap();
    assert!(!denied.ok() && denied.stderr.contains("403"), "{denied:?}");
    assert!(lab.internet.requests.at("git.allowed.test").iter().all(|request| !request.path.contains("forbidden")));
    drop(daemon);
}

/// A wheel by hand: pip needs no network of its own to build one.
const WHEEL: &str = r#"
import zipfile, sys, hashlib, os
site = sys.argv[1]; os.makedirs(site + '/simple/labpackage')
name = 'labpackage-1.0-py3-none-any.whl'
with zipfile.ZipFile(f'{site}/simple/labpackage/{name}', 'w') as w:
    w.writestr('labpackage.py', 'ANSWER = 42\n')
    w.writestr('labpackage-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\nName: labpackage\nVersion: 1.0\n')
    w.writestr('labpackage-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    w.writestr('labpackage-1.0.dist-info/RECORD', 'labpackage.py,,\nlabpackage-1.0.dist-info/METADATA,,\nlabpackage-1.0.dist-info/WHEEL,,\nlabpackage-1.0.dist-info/RECORD,,\n')
digest = hashlib.sha256(open(f'{site}/simple/labpackage/{name}', 'rb').read()).hexdigest()
open(site + '/simple/labpackage/index.html', 'w').write(f'<!doctype html><a href="{name}#sha256={digest}">{name}</a>')
"#;

#[test]
fn pip_install_from_an_index() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let site = lab.internet.www().join("index.allowed.test");
    let made = lab.bystander().run(&["/usr/bin/python3", "-c", WHEEL, site.to_str().unwrap()]).unwrap();
    assert!(made.ok(), "{made:?}");
    let install = |index: &str, package: &str| {
        let script = format!(
            "{} -m pip install --no-cache-dir --retries 0 --disable-pip-version-check -q --target {} --index-url https://index.allowed.test/{index}/ {package}",
            python().display(),
            lab.path("home").join("site").display()
        );
        lab.agent(AGENT).limit(Duration::from_secs(60)).shell(&script).unwrap()
    };
    let outcome = install("simple", "labpackage");
    assert!(outcome.ok(), "{outcome:?}");
    assert!(lab.path("home").join("site/labpackage.py").exists());
    assert!(lab.internet.requests.at("index.allowed.test").iter().any(|request| request.path.ends_with(".whl")));
    let denied = install("forbidden", "labother");
    assert!(!denied.ok(), "{denied:?}");
    assert!(lab.internet.requests.at("index.allowed.test").iter().all(|request| !request.path.contains("labother")));
    drop(daemon);
}
