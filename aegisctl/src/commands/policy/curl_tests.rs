#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn parsed(line: &str) -> Result<Request, String> {
    parse(&shell_words::split(line).unwrap())
}

fn read(line: &str) -> Request {
    parsed(line).unwrap_or_else(|why| panic!("{line}: {why}"))
}

fn field(request: &Request, name: &str) -> Option<String> {
    let mut values = request.headers.iter().filter(|(given, _)| given == name).map(|(_, value)| value.clone());
    let first = values.next();
    assert_eq!(values.next(), None, "{name} twice in {request:?}");
    first
}

#[test]
fn method_url_and_body_are_those_that_curl_would_send() {
    // Command line, method, URL, body, content type.
    let form = Some("application/x-www-form-urlencoded");
    let json = Some("application/json");
    let table = [
        ("curl https://a.test/x", "GET", "https://a.test/x", None, None),
        ("/usr/bin/curl -sSLk --compressed -m 5 -o /dev/null a.test", "GET", "http://a.test", None, None),
        ("-I https://a.test/", "HEAD", "https://a.test/", None, None),
        ("curl -XDELETE --url https://a.test/1", "DELETE", "https://a.test/1", None, None),
        ("curl https://a.test/ -d a=1 --data b=2", "POST", "https://a.test/", Some("a=1&b=2"), form),
        ("curl https://a.test/ -da=1 -X PATCH", "PATCH", "https://a.test/", Some("a=1"), form),
        ("curl --data-raw @x https://a.test/", "POST", "https://a.test/", Some("@x"), form),
        ("curl --json '{\"a\":' --json ' 1}' https://a.test/", "POST", "https://a.test/", Some("{\"a\": 1}"), json),
        (
            "curl -H 'Content-Type: text/plain' -d x https://a.test/",
            "POST",
            "https://a.test/",
            Some("x"),
            Some("text/plain"),
        ),
        ("curl -H content-type: -d x https://a.test/", "POST", "https://a.test/", Some("x"), None),
        (
            "curl -G -d a=1 --data-urlencode 'q=a b&c' 'https://a.test/?z=0#f'",
            "GET",
            "https://a.test/?z=0&a=1&q=a%20b%26c#f",
            None,
            None,
        ),
        ("curl --url-query x=1 https://a.test/", "GET", "https://a.test/?x=1", None, None),
        ("curl --data-urlencode =a/b https://a.test/", "POST", "https://a.test/", Some("a%2Fb"), form),
        ("curl -- https://a.test/-x", "GET", "https://a.test/-x", None, None),
    ];
    for (line, method, url, body, kind) in table {
        let request = read(line);
        let told = (request.method.as_str(), request.url.as_str(), request.body.as_deref());
        assert_eq!(told, (method, url, body), "{line}");
        assert_eq!(field(&request, "content-type").as_deref(), kind, "{line}");
    }
}

#[test]
fn headers_are_those_that_curl_would_send() {
    let request = read(
        "curl -u bob:secret -A agent/1 -b 'a=b; c=d' -e https://r.test/ -H 'X-Env:prod' -H 'X-Empty;' https://a.test/",
    );
    for (name, value) in [
        ("authorization", "Basic Ym9iOnNlY3JldA=="),
        ("user-agent", "agent/1"),
        ("cookie", "a=b; c=d"),
        ("referer", "https://r.test/"),
        ("x-env", "prod"),
        ("x-empty", ""),
        ("accept", "*/*"),
    ] {
        assert_eq!(field(&request, name).as_deref(), Some(value), "{name}");
    }
    let request = read("curl --oauth2-bearer t0k -H Accept: --json {} https://a.test/");
    assert_eq!(field(&request, "authorization").as_deref(), Some("Bearer t0k"));
    assert_eq!(field(&request, "accept"), None);
}

#[test]
fn files_are_read_as_curl_reads_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("body.txt");
    std::fs::write(&path, "one\r\ntwo\n").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(read(&format!("curl -d @{path} https://a.test/")).body.unwrap(), "onetwo");
    assert_eq!(read(&format!("curl --data-binary @{path} https://a.test/")).body.unwrap(), "one\r\ntwo\n");
    assert_eq!(read(&format!("curl --data-urlencode n@{path} https://a.test/")).body.unwrap(), "n=one%0D%0Atwo%0A");
    let upload = read(&format!("curl -T {path} https://a.test/"));
    assert_eq!((upload.method.as_str(), upload.body.as_deref()), ("PUT", Some("one\r\ntwo\n")));
    let form = read(&format!("curl -F a=b -F 'f=@{path};type=text/plain' https://a.test/"));
    let body = form.body.clone().unwrap();
    assert!(
        body.contains("name=\"a\"\r\n\r\nb\r\n") && body.contains("filename=\"body.txt\"\r\n\r\none\r\ntwo"),
        "{body}"
    );
    assert!(field(&form, "content-type").unwrap().starts_with("multipart/form-data; boundary="));
    assert!(parsed("curl -d @/nonexistent/x https://a.test/").unwrap_err().starts_with("cannot read /nonexistent/x"));
}

#[test]
fn what_would_make_another_request_is_not_guessed() {
    for (line, why) in [
        ("curl", "the curl command has no URL"),
        ("curl https://a.test/ https://b.test/", "the curl command has 2 URLs"),
        ("curl https://a.test/ --next https://b.test/", "`--next` begins another request"),
        ("curl -x http://proxy:3128 https://a.test/", "curl's --proxy is not understood here"),
        ("curl -K rc https://a.test/", "curl's --config is not understood here"),
        ("curl -sZ https://a.test/", "curl's -Z is not understood here"),
        ("curl --aws-sigv4 x https://a.test/", "curl's --aws-sigv4 is not understood here"),
        ("curl https://a.test/ -d", "curl's --data needs a value"),
        ("curl -b jar.txt https://a.test/", "curl's cookie file jar.txt is not read"),
        ("curl -H @file https://a.test/", "headers from the file file are not read"),
        ("curl -H nonsense https://a.test/", "\"nonsense\" is no header"),
    ] {
        let error = parsed(line).unwrap_err();
        assert!(error.starts_with(why), "{line}: {error}");
    }
}
