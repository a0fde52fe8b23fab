//! Which AWS service and action a request is for. Named `service:Action`; where a service's actions are told apart by path and
//! method alone, the method stands in the action's place (`s3:PUT`).

use http::header::AUTHORIZATION;

use crate::understood::{Call, Tool};
use crate::{Body, Protocol, Request, form};

/// Services whose action stands in a form (the Query and EC2 protocols), by host or signing name.
const QUERY: [&str; 16] = [
    "autoscaling",
    "cloudformation",
    "cloudsearch",
    "ec2",
    "elasticache",
    "elasticbeanstalk",
    "elasticloadbalancing",
    "email",
    "iam",
    "monitoring",
    "rds",
    "redshift",
    "ses",
    "sns",
    "sqs",
    "sts",
];

pub(crate) fn call<'a>(request: &Request<'_>) -> Option<(Protocol, Call<'a>)> {
    let by_host = host_service(request.host);
    let scope = credential_scope(request);
    if by_host.is_none() && scope.is_none() {
        return None;
    }
    // The scope is covered by the signature, which AWS checks; without one the host is all there is.
    let service = scope.or(by_host)?;
    let tool = match action(request, &service) {
        Ok(action) => Tool::named(format!("{service}:{action}")),
        Err(why) => Tool::Doubtful(why),
    };
    Some((Protocol::Aws, Call::of_tool(tool)))
}

/// `SERVICE[.REGION].amazonaws.com`; a bucket may stand before it.
fn host_service(host: &str) -> Option<String> {
    let rest = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
    let rest = rest.or_else(|| host.strip_suffix(".api.aws"))?;
    let mut labels: Vec<&str> = rest.split('.').collect();
    // A region is two letters, a word, a digit: us-east-1, us-gov-west-1.
    let region = |label: &&str| match label.as_bytes() {
        [a, b, b'-', .., last] => a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && last.is_ascii_digit(),
        _ => false,
    };
    if labels.last().is_some_and(region) {
        labels.pop();
    }
    if labels.last() == Some(&"dualstack") {
        labels.pop();
    }
    let service = labels.pop()?.trim_end_matches("-fips").trim_end_matches("-runtime");
    let old_s3 = service.strip_prefix("s3-").is_some_and(|rest| region(&rest) || rest == "external-1");
    Some(if old_s3 { "s3" } else { service }.to_owned())
}

/// The service of `Credential=KEY/DATE/REGION/SERVICE/aws4_request`, in the header or the query.
fn credential_scope(request: &Request<'_>) -> Option<String> {
    let header = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = match header.filter(|value| value.starts_with("AWS4-")) {
        Some(value) => value.split_once("Credential=")?.1.split([',', ' ']).next()?.to_owned(),
        None => form::values(request.query?, "X-Amz-Credential").next()?,
    };
    let mut parts = credential.rsplit('/');
    let (_, service) = (parts.next()?, parts.next()?);
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    word(service).then(|| service.to_ascii_lowercase())
}

fn action(request: &Request<'_>, service: &str) -> Result<String, &'static str> {
    let mut found: Vec<String> = Vec::new();
    for target in request.headers.get_all("x-amz-target") {
        let target = target.to_str().map_err(|_| "the x-amz-target is no text")?;
        found.push(target.rsplit('.').next().unwrap_or(target).to_owned());
    }
    found.extend(form::values(request.query.unwrap_or_default(), "Action"));
    let form = request.media_type().is_some_and(|media| media == "application/x-www-form-urlencoded");
    match request.body {
        Body::Raw(bytes) if form || found.is_empty() && QUERY.contains(&service) => {
            let text = std::str::from_utf8(bytes).map_err(|_| "the form is no text")?;
            found.extend(form::values(text, "Action"));
        }
        Body::TooLarge if QUERY.contains(&service) => {
            return Err("the action stands in a body that is longer than may be read");
        }
        _ => {}
    }
    found.dedup();
    match found.as_slice() {
        [] => Ok(by_path(request, service)),
        [only] if only.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(only.clone()),
        [_] => Err("the action is no word"),
        _ => Err("the request names more than one action"),
    }
}

fn by_path(request: &Request<'_>, service: &str) -> String {
    let known = [
        ("bedrock", "/converse", "Converse"),
        ("bedrock", "/converse-stream", "ConverseStream"),
        ("bedrock", "/invoke", "InvokeModel"),
        ("bedrock", "/invoke-with-response-stream", "InvokeModelWithResponseStream"),
        ("lambda", "/invocations", "Invoke"),
    ];
    let found = known.iter().find(|(of, end, _)| *of == service && request.method == "POST" && request.ends_with(end));
    found.map_or_else(|| request.method.to_owned(), |(_, _, action)| (*action).to_owned())
}
