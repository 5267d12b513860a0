use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::http::{Head, Response, Status};

/// The body as it was before its content encoding, of at most `limit` bytes. `identity` and `gzip` are understood.
pub(crate) fn decoded(head: &Head, body: Vec<u8>, limit: usize) -> Result<Vec<u8>, Response> {
    match head.header("content-encoding").map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => Ok(body),
        Some("gzip" | "x-gzip") => inflate(&body, limit),
        Some(_) => Err(Response::text(
            Status::UNSUPPORTED_MEDIA_TYPE,
            "the content encodings understood here are gzip and identity",
        )),
    }
}

fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Response> {
    let mut body = Vec::new();
    // One byte more than allowed tells "too large" from "just fits", and a
    // bomb is never unpacked beyond that.
    let mut reader = MultiGzDecoder::new(compressed).take(limit as u64 + 1);
    match reader.read_to_end(&mut body) {
        Ok(_) if body.len() > limit => {
            let why = format!("the request body is longer than {limit} bytes once unpacked");
            Err(Response::text(Status::TOO_LARGE, why))
        }
        Ok(_) => Ok(body),
        Err(error) => {
            Err(Response::text(Status::BAD_REQUEST, format!("the gzip body is broken: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn status(result: Result<Vec<u8>, Response>) -> u16 {
        result.map_or_else(|refused| refused.status().code(), |_| 200)
    }

    #[test]
    fn unpacks_within_the_limit_only() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(status(inflate(&bomb, 9_999_999)), 413);
        assert_eq!(inflate(&bomb, 10_000_000).unwrap().len(), 10_000_000);
        assert_eq!(inflate(&gzip(b""), 0).unwrap(), b"");
    }

    #[test]
    fn several_members_are_one_body() {
        let twice = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflate(&twice, 100).unwrap(), b"one two");
    }

    #[test]
    fn broken_input_is_refused() {
        let good = gzip(b"some text that is long enough to be cut");
        assert_eq!(status(inflate(&good[..good.len() - 9], 1000)), 400);
        assert_eq!(status(inflate(b"not gzip at all", 1000)), 400);
        assert_eq!(status(inflate(b"", 1000)), 400);
        let mut flipped = good.clone();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        assert_eq!(status(inflate(&flipped, 1000)), 400);
    }
}
