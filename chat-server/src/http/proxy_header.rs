//! The PROXY protocol of `HAProxy`, versions 1 and 2: a header before everything else on a connection, in
//! which a proxy names the address of its client.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::timeout,
};

use crate::config::ProxyProtocol;

/// The time that a header may take.
const WITHIN: Duration = Duration::from_secs(1);

/// The longest line of version 1, its end included.
const LINE: usize = 107;

/// The shortest line of version 1, `PROXY UNKNOWN`.
const SHORTEST: usize = 15;

/// The longest header of version 2: 16 bytes, and what the two addresses and extensions need.
const LONGEST: usize = 536;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The header can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the header of the PROXY protocol is missing or broken")]
pub(super) struct Malformed;

/// The header of a connection that is the proxy's own, and has no client.
pub(crate) fn without_client(version: ProxyProtocol) -> &'static [u8] {
    match version {
        ProxyProtocol::Off => b"",
        ProxyProtocol::V1 => b"PROXY UNKNOWN\r\n",
        // The signature, the version with the command LOCAL, no family, and the length of no addresses.
        ProxyProtocol::V2 => b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    }
}

/// Reads the header from the beginning of a connection, and nothing after it. `None` for a connection that
/// is the proxy's own, such as a health check.
///
/// # Errors
///
/// A header that is broken or not there, or takes longer than a second.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    version: ProxyProtocol,
) -> io::Result<Option<IpAddr>> {
    let reading = async {
        match version {
            ProxyProtocol::Off => Ok(None),
            ProxyProtocol::V1 => read_line(stream).await,
            ProxyProtocol::V2 => read_binary(stream).await,
        }
    };
    timeout(WITHIN, reading).await?
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut line = vec![0; SHORTEST];
    stream.read_exact(&mut line).await?;
    // Byte by byte: the client's own follow.
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE || !line.starts_with(b"PROXY ") {
            return Err(io::Error::other(Malformed));
        }
        line.push(stream.read_u8().await?);
    }
    of_line(&line).map_err(io::Error::other)
}

/// The client that a line of version 1 names.
fn of_line(line: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    let line = line.strip_suffix(b"\r\n").ok_or(Malformed)?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let mut words = line.split(' ');
    if words.next() != Some("PROXY") {
        return Err(Malformed);
    }
    let family = words.next().ok_or(Malformed)?;
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let [source, destination, ports @ ..] = &words.collect::<Vec<_>>()[..] else {
        return Err(Malformed);
    };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let are_ports = ports.len() == 2 && ports.iter().all(|port| port.parse::<u16>().is_ok());
    match (address(source), address(destination)) {
        (Some(source), Some(_)) if are_ports => Ok(Some(source.to_canonical())),
        _ => Err(Malformed),
    }
}

async fn read_binary(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = vec![0; 16];
    stream.read_exact(&mut header).await?;
    let length = 16 + usize::from(u16::from_be_bytes([header[14], header[15]]));
    if !header.starts_with(SIGNATURE) || length > LONGEST {
        return Err(io::Error::other(Malformed));
    }
    header.resize(length, 0);
    stream.read_exact(&mut header[16..]).await?;
    of_binary(&header).map_err(io::Error::other)
}

/// The client that a whole header of version 2 names. Extensions behind the addresses are left out.
fn of_binary(header: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    let (signature, rest) = header.split_at_checked(SIGNATURE.len()).ok_or(Malformed)?;
    let [command, family, high, low, content @ ..] = rest else {
        return Err(Malformed);
    };
    if signature != SIGNATURE || content.len() != usize::from(u16::from_be_bytes([*high, *low])) {
        return Err(Malformed);
    }
    match (*command, *family) {
        (LOCAL, _) | (PROXY, 0x00) => Ok(None),
        (PROXY, 0x11) if content.len() >= 12 => {
            let address = <[u8; 4]>::try_from(&content[..4]).map_err(|_| Malformed)?;
            Ok(Some(address.into()))
        }
        (PROXY, 0x21) if content.len() >= 36 => {
            let address = <[u8; 16]>::try_from(&content[..16]).map_err(|_| Malformed)?;
            Ok(Some(IpAddr::from(address).to_canonical()))
        }
        _ => Err(Malformed),
    }
}

/// The client that a whole header of the PROXY protocol names, of either version: for fuzzing. `None` when
/// it is refused or names none.
pub fn client_in_proxy_header(header: &[u8]) -> Option<IpAddr> {
    of_line(header).or_else(|_| of_binary(header)).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn both(bytes: &[u8], version: ProxyProtocol) -> (Option<Option<String>>, Vec<u8>) {
        let mut stream = bytes;
        let client = read(&mut stream, version).await.ok();
        let client = client.map(|client| client.map(|client| client.to_string()));
        (client, stream.to_vec())
    }

    #[tokio::test]
    async fn a_line_names_the_client_and_nothing_after_it_is_read() {
        for (line, client) in [
            (
                "PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n",
                Some("203.0.113.7"),
            ),
            ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", Some("2001:db8::1")),
            ("PROXY TCP6 ::ffff:10.0.0.9 ::1 1 2\r\n", Some("10.0.0.9")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n", None),
        ] {
            let bytes = format!("{line}GET / HTTP/1.1\r\n");
            let read = both(bytes.as_bytes(), ProxyProtocol::V1).await;
            let rest = b"GET / HTTP/1.1\r\n".to_vec();
            assert_eq!(read, (Some(client.map(str::to_owned)), rest), "{line}");
        }
    }

    #[tokio::test]
    async fn a_broken_line_is_refused() {
        for line in [
            "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 4711\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 4711 70000\r\n",
            "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            "PROXY TCP4  203.0.113.7 10.0.0.1 1 2\r\n",
            "PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 nobody 10.0.0.1 1 2\r\n",
            &format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE)),
        ] {
            assert_eq!(
                both(line.as_bytes(), ProxyProtocol::V1).await.0,
                None,
                "{line}"
            );
        }
    }

    fn binary(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, content].concat()
    }

    #[tokio::test]
    async fn a_binary_header_names_the_client_and_nothing_after_it_is_read() {
        let v4 = [&[203, 0, 113, 7, 10, 0, 0, 1][..], &[0; 4]].concat();
        let v6 = [
            &"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()[..],
            &[0; 20],
        ]
        .concat();
        let extended = [&v4[..], &[0xea; 100]].concat();
        for (header, client) in [
            (binary(0x21, 0x11, &v4), Some("203.0.113.7")),
            (binary(0x21, 0x11, &extended), Some("203.0.113.7")),
            (binary(0x21, 0x21, &v6), Some("2001:db8::1")),
            (binary(0x20, 0x11, &v4), None),
            (binary(0x20, 0x00, &[]), None),
            (binary(0x21, 0x00, &[]), None),
        ] {
            let bytes = [&header[..], b"GET"].concat();
            let read = both(&bytes, ProxyProtocol::V2).await;
            assert_eq!(read, (Some(client.map(str::to_owned)), b"GET".to_vec()));
            let whole = client_in_proxy_header(&header).map(|client| client.to_string());
            assert_eq!(whole.as_deref(), client);
        }
        for header in [
            binary(0x21, 0x11, &v4[..11]),
            binary(0x21, 0x21, &v4),
            binary(0x21, 0x31, &v6),
            binary(0x31, 0x11, &v4),
            binary(0x22, 0x11, &v4),
            binary(0x21, 0x11, &[0; LONGEST]),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n".to_vec(),
        ] {
            assert_eq!(both(&header, ProxyProtocol::V2).await.0, None, "{header:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_header_is_waited_for_one_second() {
        let (mut client, mut server) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"PROXY TCP4 203.0")
            .await
            .unwrap();
        let since = tokio::time::Instant::now();
        let refused = read(&mut server, ProxyProtocol::V1).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        assert_eq!(since.elapsed(), WITHIN);
    }
}
