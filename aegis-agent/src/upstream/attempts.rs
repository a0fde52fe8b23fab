//! Which address of a host is tried when, and for how long.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// An attempt gets at least this long, however many addresses wait: a far origin needs a round trip.
const SHORTEST: Duration = Duration::from_millis(250);

/// Tries the addresses in turn, each for its share of the time that is left until `deadline`: an address that swallows
/// packets costs a share, not the request.
///
/// # Errors
/// The last attempt's; `TimedOut` if it got no answer or there was no time for it.
pub async fn first_that_answers<T, F>(
    addresses: Vec<IpAddr>,
    deadline: Instant,
    connect: impl Fn(IpAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let addresses = alternating(addresses);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        if now >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let waiting = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = ((deadline - now) / waiting).max(SHORTEST);
        match timeout_at(deadline.min(now + share), connect(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// The families in alternation, beginning with the first address's, each in its own order (RFC 8305, section 4): a dead
/// family costs one attempt before the other gets its turn.
fn alternating(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v4 = addresses.first().is_some_and(IpAddr::is_ipv4);
    let total = addresses.len();
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|ip| ip.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::with_capacity(total);
    while order.len() < total {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// An address that swallows packets: 192.0.2.x never answers, 198.51.100.x refuses, all others connect.
    async fn fake(address: IpAddr) -> io::Result<IpAddr> {
        match address {
            IpAddr::V4(v4) if v4.octets().starts_with(&[192, 0, 2]) => std::future::pending().await,
            IpAddr::V4(v4) if v4.octets().starts_with(&[198, 51, 100]) => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => Ok(address),
        }
    }

    #[test]
    fn families_alternate_from_the_first() {
        for (given, tried) in [
            (
                &["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"][..],
                &["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"][..],
            ),
            (&["2001:db8::1", "2001:db8::2", "192.0.2.1"], &["2001:db8::1", "192.0.2.1", "2001:db8::2"]),
            (&["192.0.2.1"], &["192.0.2.1"]),
            (&[], &[]),
        ] {
            assert_eq!(alternating(ips(given)), ips(tried));
        }
    }

    #[tokio::test]
    async fn a_silent_address_costs_its_share() {
        let start = Instant::now();
        let addresses = ips(&["192.0.2.1", "203.0.113.1"]);
        let found = first_that_answers(addresses, start + Duration::from_secs(2), fake).await.unwrap();
        assert_eq!(found, ips(&["203.0.113.1"])[0]);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(990) && took < Duration::from_millis(1900), "{took:?}");
    }

    #[tokio::test]
    async fn a_refusal_leaves_its_share_to_the_others() {
        let start = Instant::now();
        let tried = Mutex::new(Vec::new());
        let connect = |address| {
            tried.lock().unwrap().push(address);
            fake(address)
        };
        let addresses = ips(&["198.51.100.1", "198.51.100.2", "2001:db8::1"]);
        let found = first_that_answers(addresses, start + Duration::from_secs(5), connect).await.unwrap();
        assert_eq!(found, ips(&["2001:db8::1"])[0]);
        assert_eq!(*tried.lock().unwrap(), ips(&["198.51.100.1", "2001:db8::1"]));
    }

    #[tokio::test]
    async fn the_deadline_holds_however_many_are_silent() {
        let start = Instant::now();
        let silent = ips(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"]);
        let error = first_that_answers(silent, start + Duration::from_millis(600), fake).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(590) && took < Duration::from_millis(1200), "{took:?}");
    }

    #[tokio::test]
    async fn the_last_refusal_is_told() {
        let refusing = ips(&["198.51.100.1", "198.51.100.2"]);
        let error = first_that_answers(refusing, Instant::now() + Duration::from_secs(5), fake).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
