//! The mode `digits`: each run of ASCII digits becomes one `#`, everything else stays.

use crate::kernel::{Engine, PIECE, Scratch, Squeeze};
use crate::target::Target;

/// What is known about the line so far.
#[derive(Debug, Default)]
pub(crate) struct Digits {
    in_run: bool,
}

impl Digits {
    /// Masks `text`, which continues what was fed before.
    pub(crate) fn feed(&mut self, engine: Engine, text: &[u8], target: &mut impl Target) {
        let mut scratch = Scratch::new();
        for piece in text.chunks(PIECE) {
            let (squeezed, _) =
                engine.squeeze(Squeeze::Digits, piece, &mut self.in_run, &mut scratch);
            target.append(squeezed);
        }
    }
}
