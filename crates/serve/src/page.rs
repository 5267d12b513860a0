//! The page: one document with its styles and scripts inside, put together when this crate is compiled.

use crate::http::{Response, Status};

const DOCUMENT: &str = include_str!("../page/index.html");
const RECORDER: &str = include_str!("../page/recorder.html");
const STYLE: &str =
    concat!(include_str!("../page/style.css"), include_str!("../page/recorder.css"));
const SCRIPT: &str = concat!(
    include_str!("../page/ansi.js"),
    include_str!("../page/lines.js"),
    include_str!("../page/search.js"),
    include_str!("../page/list.js"),
    include_str!("../page/feed.js"),
    include_str!("../page/output.js"),
    include_str!("../page/recorder.js"),
    include_str!("../page/patterns.js"),
    include_str!("../page/loggers.js"),
    include_str!("../page/main.js"),
);

/// The page, under a policy by which nothing runs in it but its own script, and nothing is loaded from anywhere
/// else: markup that slipped into it would be dead.
pub(crate) fn page() -> Response {
    let nonce = nonce();
    // The nonce last, so that it is put into the placeholders of the document
    // only: the other parts are ours and contain none.
    let body = DOCUMENT
        .replace("{style}", STYLE)
        .replace("{script}", SCRIPT)
        .replace("{recorder}", RECORDER)
        .replace("{nonce}", &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response::new(Status::OK, "text/html; charset=utf-8", body.into_bytes())
        .with("Content-Security-Policy", policy)
}

/// 128 random bits, in hexadecimal.
fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    // An early-boot failure leaves zeros: the page still works, and its text is
    // escaped whatever the policy says.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_inside_and_nothing_is_loaded_from_elsewhere() {
        let a = format!("{:?}", page());
        let b = format!("{:?}", page());
        assert_ne!(a, b, "the nonce is new each time");
        for part in [DOCUMENT, RECORDER, STYLE, SCRIPT] {
            assert!(!part.contains("https://"), "a link to elsewhere");
            assert!(!part.contains("innerHTML"), "text must reach the page as text");
        }
        for placeholder in ["{style}", "{script}", "{recorder}", "{nonce}"] {
            assert!(DOCUMENT.contains(placeholder));
            assert!(!STYLE.contains(placeholder) && !SCRIPT.contains(placeholder));
        }
    }
}
