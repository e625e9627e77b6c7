//! The first words of a body, for lists.

use unicode_segmentation::UnicodeSegmentation;

/// The longest snippet, in characters (Unicode scalar values).
pub const SNIPPET_CHARS: usize = 64;

/// The longest prefix of the body that has at most [`SNIPPET_CHARS`] characters and ends between two grapheme
/// clusters, so that no emoji or accented letter is cut in half.
///
/// Characters are counted as Unicode scalar values, which bounds the size (256 bytes); clusters are only where
/// it may be cut. A first cluster that is longer than the limit on its own gives an empty snippet.
pub fn snippet(body: &str) -> &str {
    let mut end = 0;
    let mut chars = 0;
    for (start, cluster) in body.grapheme_indices(true) {
        chars += cluster.chars().count();
        if chars > SNIPPET_CHARS {
            break;
        }
        end = start + cluster.len();
    }
    &body[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bodies_are_whole() {
        for body in ["", "hi", &"a".repeat(64), &"\u{e9}".repeat(64)] {
            assert_eq!(snippet(body), body);
        }
    }

    #[test]
    fn long_bodies_end_between_clusters() {
        assert_eq!(snippet(&"a".repeat(65)), "a".repeat(64));
        // A family of five scalars: twelve of them make 60, the thirteenth would be cut.
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(snippet(&family.repeat(20)), family.repeat(12));
        // A combining accent on the 64th letter goes together with it.
        let accented = format!("{}e\u{301}rest", "a".repeat(63));
        assert_eq!(snippet(&accented), "a".repeat(63));
        // CR LF is one cluster.
        let lines = format!("{}\r\nrest", "a".repeat(63));
        assert_eq!(snippet(&lines), "a".repeat(63));
        let zalgo = format!("e{}", "\u{301}".repeat(200));
        assert_eq!(snippet(&zalgo), "");
    }
}
