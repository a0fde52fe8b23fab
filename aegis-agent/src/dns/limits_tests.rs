#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::config::Config;

/// Of each name the part before the bar is what a wildcard stands for. Names of real services; made up where a real one
/// would be somebody's.
const REAL: &[&str] = &[
    // Content delivery and object stores.
    "d111111abcdef8|.cloudfront.net",
    "d2nvs31859zcd8|.cloudfront.net",
    "my-company-production-terraform-state-eu-central-1|.s3.amazonaws.com",
    "prod-eu-west-1-starport-layer-bucket.s3.eu-west-1|.amazonaws.com",
    "bucket.vpce-0123456789abcdef0-abcdefgh.s3.us-east-1.vpce|.amazonaws.com",
    "e1234.dscb.akamaiedge.net|",
    "a1887.dscq.akamai.net|",
    "fonts.gstatic.com|",
    "cdn-lfs-us-1.hf.co|",
    "cas-bridge.xethub.hf.co|",
    "0a1b2c3d4e5f60718293a4b5c6d7e8f9|.r2.cloudflarestorage.com",
    "mystorageaccount123456|.blob.core.windows.net",
    "r5---sn-4g5edn7s|.googlevideo.com",
    "0123456789abcdef0123456789abcdef.safeframe|.googlesyndication.com",
    "avatars.githubusercontent.com|",
    "objects-origin.githubusercontent.com|",
    "pkg-containers.githubusercontent.com|",
    // Machines, clusters, functions, databases.
    "ec2-203-0-113-25.eu-central-1.compute|.amazonaws.com",
    "ip-10-0-12-34.eu-west-1.compute.internal|",
    "k8s-default-myservice-1a2b3c4d5e-0123456789abcdef.elb.us-east-1|.amazonaws.com",
    "0123456789abcdef0123456789abcdef.gr7.us-east-1.eks|.amazonaws.com",
    "3f9c27be5d41a8860e7b92c4d1f3065a.gr7.us-east-1.eks|.amazonaws.com",
    "mydb.cluster-c1a2b3c4d5e6.eu-central-1.rds|.amazonaws.com",
    "search-my-domain-1a2a3a4a5a6a7a8a9a0a9a8a7a.us-east-1.es|.amazonaws.com",
    "a3qjexampleats-ats.iot.us-east-1|.amazonaws.com",
    "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1|.on.aws",
    "zq6xjh3v5wk2f7nqp4ydrb8stm0cgl9u.lambda-url.us-east-1|.on.aws",
    "a1b2c3d4e5.execute-api.eu-west-1|.amazonaws.com",
    "example1234567890abcdefghij.appsync-api.us-east-1|.amazonaws.com",
    "123456789012.dkr.ecr.eu-central-1|.amazonaws.com",
    "my-service-abc123xyz4-uc.a|.run.app",
    "us-central1-docker.pkg.dev|",
    "deployment-preview-1234567890.europe-west4-gcp|.example.com",
    "gke-prod-cluster-default-pool-3c1a2b4d-x7k9|.internal",
    "contoso-eastus2-prod-keyvault|.vault.azure.net",
    "my-resource-group-name.westeurope|.cloudapp.azure.com",
    "cluster0-shard-00-02.ab1cd|.mongodb.net",
    "dbc-a1b2345c-d6e7|.cloud.databricks.com",
    "0a1b2c3d4e5f60718293a4b5c6d7e8f9.us-east-1|.aws.found.io",
    "xkqzjvbwfyhgtrmnpslc|.supabase.co",
    "o123456.ingest|.sentry.io",
    // Hosting, with its previews.
    "64c0a5f9d6f1a20008d1b2e3--my-site|.netlify.app",
    "my-project-git-feature-branch-name-my-team|.vercel.app",
    "a1b2c3d4-e5f6-7890-abcd-ef1234567890.apps|.example.com",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479|.example.com",
    "sandbox-3f2a9c1b-1a2b-4c3d-8e9f-0a1b2c3d4e5f.preview|.example.com",
    "xn--bcher-kva-8za.shop|",
    // Validation of certificates.
    "_3639ac514e785e898d2646601fa951d5|.example.com",
    "_424c7224e9b0146f9a8808af955727d0|.acm-validations.aws",
    "_acme-challenge.www|.example.com",
    // Kubernetes.
    "kubernetes.default.svc.cluster.local|",
    "prometheus-kube-prometheus-stack-prometheus.monitoring|.svc.cluster.local",
    "my-very-long-service-name-for-billing-and-invoicing.production-namespace-europe.svc|.cluster.local",
    "myapp-7d9c6b8f5d-x2x9z.myapp-headless.default.svc|.cluster.local",
    // What agents call all day.
    "api.openai.com|",
    "generativelanguage.googleapis.com|",
    "api-inference.huggingface.co|",
    "bedrock-runtime.us-east-1|.amazonaws.com",
    "login.microsoftonline.com|",
    "registry-1.docker.io|",
    "production.cloudflare.docker.com|",
    "files.pythonhosted.org|",
    "registry.npmjs.org|",
    "static.crates.io|",
    "deb.debian.org|",
];

/// As tools make them, and chunks of a file in the encodings that fit into labels.
const TUNNELS: &[&str] = &[
    // iodine: base32, base64 and base128 folded to letters; login, then upstream data in long labels.
    "vaaaakaqflm2zfvzwd3crdgeklyxq5gnyxdh3vmy4xmc2k|.t.test",
    "laau3gxr5vcjn0qhzm2kd1tywfpbe4s5oa0lxqjvhnmzr|.t.test",
    "0eaba82m2hbc5yd4zvxrnkq1wplgutj0sfoi3cvadbyezkwh5qmxnr2ftp0ug4l.jsoiv1badczeykhwrqnxtmfpugljsovi|.t.test",
    "paaqd0a5fkzl3wmvry1cxhqgtbn2uejos4pikfzdlawmvxrcyhqtgnbeu.sjpokifdzlwavmrxcyhgqtnbuejspko2idfzlaw1mvrx|.t.test",
    "rbpbz5fskh3qxn0wdoalyvicgmetju2rp4bzxkfqhwsnlyodavcigtmejuprxzk|.t.test",
    "z4gdhk2qx7mw9ctv1bnr5jyp8lfse3oua6izxkqhgdwmctvbnrjyplfseouaizx|.t.test",
    "ebtq3cdlmqjwyvo5hknxzrgu2fispae0bwctqdlmjyvohknxzrgufispa4e|.t.test",
    // dnscat2: hex, the header first.
    "2c4f01f8b2000000636f6e736f6c6520286465736b746f702d31290000|.t.test",
    "dnscat.d7da00d7da0000636f6e736f6c6520286465736b746f702900|.t.test",
    "6a1c0111223344f8e2c39ab05d7719e4a6c8f00b3d52e97a84c61f0d9b.e35a7c42d9186fb0a2743ec58d61f90b|.t.test",
    "0be401ba00b8214c7f9ed03a5621b87ce4f9a0d35b8e16f2c7490dab|.t.test",
    "a5b001d4fae7c2901b3d6f84927ec05ab3816df24e97c0a85d1b3f6e|.t.test",
    "f2c1007e3a9b64d8105fc72be8934ad061f7bc5e28d09341ea6c7fb5|.t.test",
    "0e4a02bc7d19f3658ae0c4721bf59d36e8074ca1d2f5936b8e10c7a4.d95f2b6e01|.t.test",
    // dns2tcp: base64 in labels of 63.
    "qawbaaaaaaeaagrucznjdgnwaaaab3nzac1yc2eaaaadaqabaaabgqdkx9vqwm|.t.test",
    "oaobaaaaaa8rc3nola0ylja1t3blblntsf85ljjwmsbezwjpyw4tmitkzwixmn|.t.test",
    "u0zqc1nkcgfzc3dvcmq9ahvudgvymgftaw5pc3ryyxrvcjpzzwnyzxqxmjm0nq.zxhhbxbszs10b2tlbi1hymmxmjm0nty3odkw|.t.test",
    "aqebaaaaaacpzg50y3atc2vzc2lvbi1rzxktogq3zjzhnwi0yznkmmuxzg|.t.test",
    // Hex of a file, 20 bytes and more a label.
    "726f6f743a783a303a303a726f6f743a2f726f6f|.exfil.test",
    "414b4941494f53464f444e4e374558414d504c45|.exfil.test",
    "2d2d2d2d2d424547494e205253412050524956415445204b45592d2d2d2d|.exfil.test",
    "0.74686520717569636b2062726f776e20666f78206a756d7073206f766572|.exfil.test",
    "17-of-93.5f6c9a1be80374d2c5f1960ba7e83d42105cf9e6|.exfil.test",
    "8c1f0a7d3e59.b264f8015c9e.73ad20e6b8f4.195c7b3f0de2|.exfil.test",
    "8c1f0a-7d3e59-b264f8-015c9e-73ad20-e6b8f4-195c7b|.exfil.test",
    // Hashes strung together.
    "3639ac514e785e898d2646601fa951d5.424c7224e9b0146f9a8808af955727d0|.exfil.test",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479.a1b2c3d4-e5f6-7890-abcd-ef1234567890|.exfil.test",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85.5|.exfil.test",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709|.exfil.test",
    // Base32.
    "ojxw65b2pa5danb2ojxw65b2f5zg633uhixwe2lof5rgc43i|.exfil.test",
    "nbswy3dpeb3w64tmmqqgqzlmnrxsa53pojwgiidimvwgy3y|.exfil.test",
    "ifkesqktjfhvgrspirhe4n2fpbau2ucmivkfgvcfkjeve|.exfil.test",
    "lfxxkidbojssa3tpoqqhg5lqobxxgzlejz2xiidun4qhezlbmq|.exfil.test",
    "kzqwglcuvhqxmrzby2dt5fnj3weos7ipa4xbzvkqgcludhrytm|.exfil.test",
    // Base64, its capitals gone.
    "cm9vddp4oja6mdpyb290oi9yb290oi9iaw4vymfzaa|.exfil.test",
    "ymfzztY0igvuy29kzwqgc2vjcmv0igrhdgegzm9yihlvdq|.exfil.test",
    "xyzaywdrzw50lxnly3jldc1rzxktmdeymzq1njc4ota|.exfil.test",
    "z2hwx3ptstvmqkrnwfl2ugtjulvxt0h4avzjsknmrvnhqm|.exfil.test",
    // Other alphabets: base36, letters only.
    "k3j9x7q2zv5mw8bt1ghy6rf4cnpd0lsoeua3ik9j7x|.exfil.test",
    "qzxjvbwfyhgtrmnpslckdqzwvxumbyhjfgtqkzxwvpnrd|.exfil.test",
    "hqkzvtwxjrpfgmbdlcyqnzsvkhtwjxrgpmfbdzlqcvyn|.exfil.test",
];

fn split(entry: &str) -> (String, usize) {
    let (chosen, rest) = entry.split_once('|').expect("a bar");
    (format!("{chosen}{rest}").to_ascii_lowercase(), chosen.len())
}

fn measure(limits: &DnsLimits, name: &str, chosen: usize) -> Result<u32, Excess> {
    measured(limits, &Asked::new(name, name, chosen, true))
}

#[test]
fn names_of_real_services_pass() {
    let limits = Config::default().dns.limits;
    assert!(REAL.len() >= 60);
    let refused: Vec<_> = REAL
        .iter()
        .filter_map(|entry| {
            let (name, chosen) = split(entry);
            measure(&limits, &name, chosen).err().map(|excess| (entry, excess.to_string()))
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn names_of_tunnels_do_not() {
    let limits = Config::default().dns.limits;
    assert!(TUNNELS.len() >= 40);
    let passed: Vec<_> = TUNNELS
        .iter()
        .filter_map(|entry| {
            let (name, chosen) = split(entry);
            measure(&limits, &name, chosen).ok().map(|cost| (entry, cost, data_bits(&name)))
        })
        .collect();
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn each_limit_holds_and_says_its_key() {
    let limits =
        DnsLimits { label_bytes: 20, name_bytes: 60, entropy_bits: 100, names_per_minute: 9, queries_per_minute: 9 };
    let words = "plain-english-words-a-host.test";
    for (name, chosen, limit) in [
        (words, words.len() - ".test".len(), "label_bytes"),
        ("one.two.three.four.five.six.seven.eight.nine.ten.eleven.twelve.test", 3, "name_bytes"),
        ("3639ac514e785e898d.test", 18, "entropy_bits"),
    ] {
        let excess = measure(&limits, name, chosen).expect_err(name);
        assert_eq!(excess.limit(), limit);
        let denial = excess.denial("v1");
        assert!(denial.reason.contains(&format!("dns.limits.{limit}")), "{}", denial.reason);
        assert_eq!((denial.kind, denial.next_steps.len()), (DenialKind::Policy, 1));
    }
    // What the operator wrote is not measured by the label.
    assert_eq!(measure(&limits, "x.3639ac514e785e898d2646601fa951d5.test", 1), Ok(1));
}

#[test]
fn what_looks_like_data_counts_for_more_names() {
    let limits = Config::default().dns.limits;
    assert_eq!(measure(&limits, "registry.test", 8), Ok(1));
    let hash = measure(&limits, "3639ac514e785e898d2646601fa951d5.test", 32).unwrap();
    assert!(hash >= 5, "{hash}");
}

#[test]
fn the_labels_of_a_service_are_the_agents_choice() {
    let asked = Asked::new("_8443._https.api.test", "api.test", 0, true);
    assert_eq!(asked.chosen, "_8443._https.");
    let asked = Asked::new("_8443._https.x.api.test", "x.api.test", 1, true);
    assert_eq!(asked.chosen, "_8443._https.x");
    assert_eq!(Asked::new("api.test", "api.test", 0, true).chosen, "");
}
