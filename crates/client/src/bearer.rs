//! The token that a server may ask of its clients.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::ClientError;

/// No token is longer.
const LONGEST: u64 = 1024;

/// What shows a server who asks. Whoever has it can ask in its owner's name, so it is shown to that server alone; the
/// memory is overwritten when dropped.
#[derive(Clone)]
pub struct BearerToken(Zeroizing<Vec<u8>>);

impl BearerToken {
    /// Takes a token as the server's operator gave it; white space around it does not count.
    ///
    /// # Errors
    /// A text that is no token.
    pub fn new(text: &str) -> Result<Self, ClientError> {
        let text = text.trim();
        let bytes = Zeroizing::new(text.as_bytes().to_vec());
        // What may stand in a header, RFC 6750 allowing even less.
        let fine = bytes.iter().all(u8::is_ascii_graphic);
        match fine && !bytes.is_empty() && bytes.len() as u64 <= LONGEST {
            true => Ok(Self(bytes)),
            false => Err(ClientError::Token),
        }
    }

    /// Reads a token from a file that nobody but its owner may read.
    ///
    /// # Errors
    /// A file that cannot be read, that others may read, or that holds no token.
    pub fn read(path: &Path) -> Result<Self, ClientError> {
        let fault = |source| ClientError::File {
            action: "read the token in",
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(fault)?;
        #[cfg(unix)]
        {
            let metadata = file.metadata().map_err(fault)?;
            let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
            if mode & 0o077 != 0 {
                let path = path.to_owned();
                return Err(ClientError::ExposedToken { path, mode });
            }
        }
        // Room for all of it: growing would leave copies that nobody overwrites.
        let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize + 64));
        let read = file.take(LONGEST + 2).read_to_string(&mut text);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => ClientError::Token,
            _ => fault(error),
        })?;
        Self::new(&text)
    }

    /// `Bearer TOKEN`, overwritten when the last copy is dropped.
    pub(crate) fn header(&self) -> Zeroizing<Vec<u8>> {
        const SCHEME: &[u8] = b"Bearer ";
        let mut header = Zeroizing::new(Vec::with_capacity(SCHEME.len() + self.0.len()));
        header.extend_from_slice(SCHEME);
        header.extend_from_slice(&self.0);
        header
    }
}

impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_one_word_and_not_shown_by_accident() {
        let token = BearerToken::new(" cft_abc-_1\r\n").expect("a token");
        assert_eq!(&**token.header(), b"Bearer cft_abc-_1");
        assert_eq!(format!("{token:?}"), "BearerToken");
        let long = "x".repeat(1025);
        for wrong in ["", " \n", "two words", "line\nline", "\u{e4}", "a\0", &long] {
            let error = BearerToken::new(wrong).expect_err("no token").to_string();
            assert!(wrong.trim().is_empty() || !error.contains(wrong), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_private_files_are_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("token");
        let read = |content: &[u8], mode| {
            std::fs::write(&path, content).expect("ours");
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).expect("ours");
            BearerToken::read(&path)
        };
        let token = read(b"cft_x\n", 0o600).expect("a token");
        assert_eq!(&**token.header(), b"Bearer cft_x");
        for mode in [0o640, 0o604, 0o660] {
            let error = read(b"cft_x\n", mode).expect_err("others may read it");
            assert!(matches!(error, ClientError::ExposedToken { .. }));
            assert!(
                error.to_string().contains("chmod 600") && !error.to_string().contains("cft_x")
            );
        }
        for wrong in [&b""[..], b"\xff\xfe", b"a b", &[b'x'; 5000]] {
            assert!(matches!(read(wrong, 0o600), Err(ClientError::Token)));
        }
        std::fs::remove_file(&path).expect("ours");
        let missing = BearerToken::read(&path).expect_err("missing");
        assert!(matches!(missing, ClientError::File { .. }));
    }
}
