//! A real peer in the same run: Envoy, which ends TLS on both sides and passes the requests on, with no policy, no
//! scanner and no record. `cargo xtask bench` fetches its binary; without it the report says that it is absent.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use aegis_tests::Lab;
use aegis_tests::lab::wait_for;
use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::suite::{Files, Killed, NAME};

const READY: Duration = Duration::from_secs(20);

/// An Envoy with one worker between `listen` and `origin`.
pub fn start(lab: &Lab, envoy: &Path, listen: SocketAddr, origin: SocketAddr, files: &Files) -> Result<Killed> {
    let config = lab.path("envoy.json");
    std::fs::write(&config, configuration(listen, origin, files).to_string())?;
    let mut command = Command::new(envoy);
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "--config-path"]).arg(&config);
    command.stdout(Stdio::null()).stderr(std::fs::File::create(lab.path("envoy.log"))?);
    let peer = Killed(lab.host.spawn(command, &lab.path("resolv.conf"))?);
    let listens = || lab.host.within(move || TcpStream::connect(listen).is_ok()).ok().filter(|there| *there);
    wait_for(READY, listens).with_context(|| std::fs::read_to_string(lab.path("envoy.log")).unwrap_or_default())?;
    Ok(peer)
}

/// What `envoy --version` says of itself: its version.
pub fn version(envoy: &Path) -> Option<String> {
    let said = Command::new(envoy).arg("--version").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    // `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    said.split_once("version:")?.1.split('/').nth(1).map(str::to_owned)
}

fn configuration(listen: SocketAddr, origin: SocketAddr, files: &Files) -> Value {
    json!({"static_resources": {
        "listeners": [{
            "name": "bench",
            "address": address(listen),
            "filter_chains": [{
                "transport_socket": {"name": "tls", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "common_tls_context": {
                        "alpn_protocols": ["h2", "http/1.1"],
                        "tls_certificates": [{
                            "certificate_chain": {"filename": files.certificate},
                            "private_key": {"filename": files.key},
                        }],
                    },
                    "disable_stateless_session_resumption": true,
                }},
                "filters": [{"name": "http", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "bench",
                    "upgrade_configs": [{"upgrade_type": "websocket"}],
                    "route_config": {"virtual_hosts": [{
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}],
                    }]},
                    "http_filters": [{"name": "router", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    }}],
                }}],
            }],
        }],
        "clusters": [cluster(origin, &files.ca)],
    }})
}

fn cluster(origin: SocketAddr, ca: &PathBuf) -> Value {
    json!({
        "name": "origin",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "origin",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(origin)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}},
            },
        },
        "transport_socket": {"name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": NAME,
            "common_tls_context": {"validation_context": {
                "trusted_ca": {"filename": ca},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": NAME}}],
            }},
        }},
    })
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}})
}
