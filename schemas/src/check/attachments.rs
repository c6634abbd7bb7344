//! Checks attachments: present, complete, and not too large.

use std::io::Read;

use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use sha2::{Digest, Sha256};

use super::found::{
    C001_EMPTY, C020_ATTACHMENT_EMPTY, C021_ATTACHMENT_BASE64, C022_ATTACHMENT_TOO_LARGE,
    C023_ATTACHMENT_DIFFERS, C024_USUALLY_THERE, Checked, blank,
};
use crate::clinical::{ATTACHMENT_INLINE_BYTES_MAX, Attachment};

/// Base64 characters of the largest attachment.
const CONTENT_CHARS_MAX: usize = ATTACHMENT_INLINE_BYTES_MAX.div_ceil(3) * 4;

/// Hexadecimal digits of a SHA-256.
const SHA256_CHARS: usize = 64;

pub(super) fn check(attachments: &[Attachment], found: &mut Checked) {
    for (at, attachment) in attachments.iter().enumerate() {
        let path = format!("body.attachments[{at}]");
        if blank(Some(&attachment.title)) {
            let fix = "The title is empty; people choose papers by it.";
            found.note(C024_USUALLY_THERE, format!("{path}.title"), fix);
        }
        if blank(Some(&attachment.media_type)) {
            let fix = "The media type is empty; without it nobody can open the paper.";
            found.refuse(C001_EMPTY, format!("{path}.media_type"), fix);
        }
        match (attachment.content.as_deref(), attachment.reference.as_deref()) {
            (Some(content), _) if !content.is_empty() => {
                self::content(attachment, content, &path, found);
            }
            (_, Some(reference)) if !blank(Some(reference)) => {
                well_formed_hash(attachment, &path, found);
            }
            _ => {
                let fix = "There is neither content nor a reference; send one of them.";
                found.refuse(C020_ATTACHMENT_EMPTY, path, fix);
            }
        }
    }
}

/// Bytes of an attachment to decode at once, because it may be megabytes long and is only measured.
const DECODED_TOGETHER_BYTES: usize = 8 * 1024;

/// Size of the content before base64 and, if `hashed`, its SHA-256.
fn measure(content: &str, hashed: bool) -> std::io::Result<(usize, Option<[u8; 32]>)> {
    let mut decoder = DecoderReader::new(content.as_bytes(), &STANDARD);
    let mut buffer = [0; DECODED_TOGETHER_BYTES];
    let mut hash = hashed.then(Sha256::new);
    let mut length = 0;
    loop {
        let read = decoder.read(&mut buffer)?;
        if read == 0 {
            return Ok((length, hash.map(|hash| hash.finalize().into())));
        }
        length += read;
        if let Some(hash) = &mut hash {
            hash.update(&buffer[..read]);
        }
    }
}

fn content(attachment: &Attachment, content: &str, path: &str, found: &mut Checked) {
    let too_large = |found: &mut Checked| {
        let most = ATTACHMENT_INLINE_BYTES_MAX / (1024 * 1024);
        let fix = format!(
            "Inside a message at most {most} MiB fit; send a reference with hash and size."
        );
        found.refuse(C022_ATTACHMENT_TOO_LARGE, format!("{path}.content"), fix);
    };
    if content.len() > CONTENT_CHARS_MAX {
        return too_large(found);
    }
    let Ok((length, hash)) = measure(content, attachment.sha256.is_some()) else {
        let fix = "The content is not base64 (RFC 4648, with padding, without line breaks).";
        return found.refuse(C021_ATTACHMENT_BASE64, format!("{path}.content"), fix);
    };
    if length > ATTACHMENT_INLINE_BYTES_MAX {
        return too_large(found);
    }
    if attachment.size_bytes.is_some_and(|stated| usize::try_from(stated) != Ok(length)) {
        let fix = "The size differs from that of the content; the paper may have been cut. Send it whole.";
        found.refuse(C023_ATTACHMENT_DIFFERS, format!("{path}.size_bytes"), fix);
    }
    if !well_formed_hash(attachment, path, found) {
        return;
    }
    if let Some((stated, hash)) = attachment.sha256.as_ref().zip(hash)
        && !stated.eq_ignore_ascii_case(&hexadecimal(&hash))
    {
        let fix = "The hash differs from that of the content; the paper was changed on the way. Send it again.";
        found.refuse(C023_ATTACHMENT_DIFFERS, format!("{path}.sha256"), fix);
    }
}

/// Whether a stated hash has the form of a SHA-256.
fn well_formed_hash(attachment: &Attachment, path: &str, found: &mut Checked) -> bool {
    let Some(stated) = &attachment.sha256 else {
        return true;
    };
    let right = stated.len() == SHA256_CHARS && stated.bytes().all(|b| b.is_ascii_hexdigit());
    if !right {
        let fix = "A SHA-256 has 64 hexadecimal digits; correct it or leave it out.";
        found.refuse(C023_ATTACHMENT_DIFFERS, format!("{path}.sha256"), fix);
    }
    right
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
