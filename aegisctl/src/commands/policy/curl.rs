//! The request that a curl command line would send (curl(1)), as far as a policy can see it.

use std::fs;

/// Options without a value that change nothing that a policy looks at.
const PLAIN: &str = "anyauth basic compressed compressed-ssh disable fail fail-early fail-with-body globoff http0.9 http1.0 \
    http1.1 http2 http2-prior-knowledge http3 include insecure ipv4 ipv6 location no-buffer no-keepalive no-progress-meter no-sessionid parallel path-as-is progress-bar remote-header-name remote-name remote-time \
    show-error silent tlsv1.2 tlsv1.3 verbose show-headers";

/// Options with a value that change nothing that a policy looks at.
const VALUED: &str = "cacert capath cert ciphers connect-timeout connect-to cookie-jar dump-header happy-eyeballs-timeout-ms \
    interface keepalive-time key limit-rate local-port max-redirs max-time output resolve retry retry-delay \
    retry-max-time speed-limit speed-time stderr write-out";

/// Short options and their long names.
const SHORT: &str = "#:progress-bar 0:http1.0 4:ipv4 6:ipv6 A:user-agent b:cookie c:cookie-jar D:dump-header d:data E:cert \
    e:referer F:form f:fail G:get g:globoff H:header I:head i:include J:remote-header-name k:insecure K:config \
    L:location m:max-time N:no-buffer n:netrc O:remote-name o:output q:disable R:remote-time S:show-error \
    s:silent T:upload-file u:user U:proxy-user v:verbose w:write-out X:request x:proxy Y:speed-limit y:speed-time";

/// Options with a value that make the request.
const MAKING: &str = "cookie data data-ascii data-binary data-raw data-urlencode form form-string header json oauth2-bearer \
    referer request upload-file url url-query user user-agent";

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// What the options have said so far.
#[derive(Default)]
struct Reading {
    urls: Vec<String>,
    method: Option<String>,
    /// In the order given; a value of none takes the field away.
    headers: Vec<(String, Option<String>)>,
    data: Vec<String>,
    forms: Vec<Part>,
    upload: Option<String>,
    query: Vec<String>,
    get: bool,
    head: bool,
    json: bool,
}

struct Part {
    name: String,
    file: Option<String>,
    content: String,
}

/// Reads a command line, with or without `curl` in front.
///
/// # Errors
/// One line: an option that would make another request than is explained, or what is missing.
pub fn parse(words: &[String]) -> Result<Request, String> {
    let mut words = words.iter().map(String::as_str).peekable();
    words.next_if(|word| *word == "curl" || word.ends_with("/curl"));
    let mut reading = Reading::default();
    let mut options = true;
    while let Some(word) = words.next() {
        match (options, word.strip_prefix("--"), word.strip_prefix('-')) {
            (true, Some(""), _) => options = false,
            (true, Some(name), _) => reading.long(name, || words.next().map(str::to_owned))?,
            (true, None, Some(letters)) if !letters.is_empty() => {
                reading.short(letters, || words.next().map(str::to_owned))?;
            }
            _ => reading.urls.push(word.to_owned()),
        }
    }
    reading.request()
}

impl Reading {
    fn short(&mut self, letters: &str, mut next: impl FnMut() -> Option<String>) -> Result<(), String> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let name = SHORT.split(' ').find_map(|pair| pair.strip_prefix(letter)?.strip_prefix(':'));
            let name = name.ok_or_else(|| format!("curl's -{letter} is not understood here; leave it out"))?;
            if takes_value(name) {
                // What stands behind the letter is its value.
                let attached = Some(rest.as_str()).filter(|rest| !rest.is_empty()).map(str::to_owned);
                return self.long(name, || attached.clone().or_else(&mut next));
            }
            self.long(name, || None)?;
        }
        Ok(())
    }

    fn long(&mut self, name: &str, mut next: impl FnMut() -> Option<String>) -> Result<(), String> {
        if among(PLAIN, name) {
            return Ok(());
        }
        match name {
            "get" => self.get = true,
            "head" => self.head = true,
            _ if takes_value(name) => {
                let value = next().ok_or_else(|| format!("curl's --{name} needs a value"))?;
                if !among(VALUED, name) {
                    self.made(name, value)?;
                }
            }
            "next" => return Err("`--next` begins another request: ask about one at a time".to_owned()),
            _ => return Err(format!("curl's --{name} is not understood here; leave it out")),
        }
        Ok(())
    }

    fn made(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "url" => self.urls.push(value),
            "request" => self.method = Some(value),
            "header" => self.header(&value)?,
            "user-agent" => self.field("user-agent", value),
            "referer" => self.field("referer", value),
            "cookie" if value.contains('=') => self.field("cookie", value),
            "cookie" => return Err(format!("curl's cookie file {value} is not read; write -b NAME=VALUE")),
            "user" => self.field("authorization", format!("Basic {}", base64(value.as_bytes()))),
            "oauth2-bearer" => self.field("authorization", format!("Bearer {value}")),
            "upload-file" => self.upload = Some(file(&value)?),
            "url-query" => self.query.push(urlencoded(&value)?),
            "form" => self.forms.push(Part::read(&value)?),
            "form-string" => {
                let (name, content) = value.split_once('=').ok_or("curl's --form-string is NAME=VALUE")?;
                self.forms.push(Part { name: name.to_owned(), file: None, content: content.to_owned() });
            }
            "json" => {
                self.json = true;
                let data = at_file(&value)?;
                // Several of them are put together as they are.
                match self.data.last_mut() {
                    Some(last) => last.push_str(&data),
                    None => self.data.push(data),
                }
            }
            "data-raw" => self.data.push(value),
            "data-binary" => self.data.push(at_file(&value)?),
            "data-urlencode" => self.data.push(urlencoded(&value)?),
            // `-d @FILE` loses its line ends.
            _ if value.starts_with('@') => self.data.push(at_file(&value)?.replace(['\r', '\n', '\0'], "")),
            _ => self.data.push(value),
        }
        Ok(())
    }

    fn field(&mut self, name: &str, value: String) {
        self.headers.push((name.to_owned(), Some(value)));
    }

    /// `Name: value`; `Name:` takes curl's own away, `Name;` sends an empty one.
    fn header(&mut self, text: &str) -> Result<(), String> {
        if let Some(file) = text.strip_prefix('@') {
            return Err(format!("headers from the file {file} are not read; write -H 'Name: value'"));
        }
        let (name, value) = match (text.split_once(':'), text.strip_suffix(';')) {
            (Some((name, value)), _) => (name, Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
            (None, Some(name)) => (name, Some(String::new())),
            (None, None) => return Err(format!("{text:?} is no header: write -H 'Name: value'")),
        };
        self.headers.push((name.trim().to_ascii_lowercase(), value));
        Ok(())
    }

    fn request(mut self) -> Result<Request, String> {
        let url = match self.urls.as_slice() {
            [url] if url.contains("://") => url.clone(),
            // As curl guesses.
            [url] => format!("http://{url}"),
            [] => return Err("the curl command has no URL".to_owned()),
            several => return Err(format!("the curl command has {} URLs: ask about one at a time", several.len())),
        };
        let data = (!self.data.is_empty()).then(|| self.data.join("&"));
        if self.get {
            self.query.extend(data.clone());
        }
        let url = with_query(url, &self.query);
        let (body, kind) = if let Some(upload) = self.upload.take() {
            (Some(upload), None)
        } else if !self.forms.is_empty() {
            (Some(multipart(&self.forms)), Some(format!("multipart/form-data; boundary={BOUNDARY}")))
        } else if self.get {
            (None, None)
        } else {
            let kind = if self.json { "application/json" } else { "application/x-www-form-urlencoded" };
            let kind = data.is_some().then(|| kind.to_owned());
            (data, kind)
        };
        let implied = match (&body, self.head) {
            (_, true) => "HEAD",
            (None, _) => "GET",
            (Some(_), _) if kind.is_none() => "PUT",
            (Some(_), _) => "POST",
        };
        let accept = if self.json { "application/json" } else { "*/*" };
        let own =
            [("user-agent", Some("curl".to_owned())), ("accept", Some(accept.to_owned())), ("content-type", kind)];
        let own = own.into_iter().filter(|(name, _)| !self.headers.iter().any(|(given, _)| given == name));
        let mut headers: Vec<(String, String)> =
            own.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        headers.extend(self.headers.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        Ok(Request { method: self.method.unwrap_or_else(|| implied.to_owned()), url, headers, body })
    }
}

fn among(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}

fn takes_value(name: &str) -> bool {
    among(VALUED, name) || among(MAKING, name)
}

fn with_query(url: String, query: &[String]) -> String {
    if query.is_empty() {
        return url;
    }
    let (url, fragment) = url.split_once('#').map_or((url.as_str(), ""), |(url, fragment)| (url, fragment));
    let sign = if url.contains('?') { '&' } else { '?' };
    let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
    format!("{url}{sign}{}{fragment}", query.join("&"))
}

fn at_file(value: &str) -> Result<String, String> {
    match value.strip_prefix('@') {
        Some(name) => file(name),
        None => Ok(value.to_owned()),
    }
}

fn file(name: &str) -> Result<String, String> {
    let read = match name {
        "-" | "." => std::io::read_to_string(std::io::stdin()),
        _ => fs::read_to_string(name),
    };
    read.map_err(|error| format!("cannot read {name}: {error}"))
}

/// `content`, `=content`, `name=content`, `@file`, `name@file`.
fn urlencoded(value: &str) -> Result<String, String> {
    let at = value.find(['=', '@']);
    let (name, content) = match at.and_then(|at| Some((value.get(..at)?, value.get(at..=at)?, value.get(at + 1..)?))) {
        None => ("", value.to_owned()),
        Some((name, "=", content)) => (name, content.to_owned()),
        Some((name, _, path)) => (name, file(path)?),
    };
    let encoded = percent(&content);
    Ok(if name.is_empty() { encoded } else { format!("{name}={encoded}") })
}

fn percent(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

/// Between the parts of a form; curl makes one up each time.
const BOUNDARY: &str = "------------------------aegis-dry-run";

impl Part {
    /// `name=value`, `name=@file`, `name=<file`, with `;type=...` behind a file.
    fn read(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("curl's -F is NAME=VALUE")?;
        let plain = |path: &str| path.split(';').next().unwrap_or_default().to_owned();
        let (file_name, content) = match (value.strip_prefix('@'), value.strip_prefix('<')) {
            (Some(path), _) => (Some(plain(path)), file(&plain(path))?),
            (None, Some(path)) => (None, file(&plain(path))?),
            (None, None) => (None, value.to_owned()),
        };
        let file_name = file_name.map(|path| path.rsplit('/').next().unwrap_or_default().to_owned());
        Ok(Self { name: name.to_owned(), file: file_name, content })
    }
}

fn multipart(parts: &[Part]) -> String {
    let part = |Part { name, file, content }: &Part| {
        let file = file.as_ref().map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("{parts}--{BOUNDARY}--\r\n")
}

#[cfg(test)]
#[path = "curl_tests.rs"]
mod tests;
