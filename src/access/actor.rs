//! Who acts.

/// The one on whose behalf something is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Everybody, while the server runs with `--insecure-no-auth` on loopback: may do everything.
    Development,
    /// The server itself: its commands and workers.
    System,
}

impl Actor {
    /// Whether it may see how a search is done (`_explain`): it tells of counts beyond the matches.
    pub fn may_explain(&self) -> bool {
        match self {
            Self::Development | Self::System => true,
        }
    }

    /// Whether it may load packages and take them into use.
    pub fn may_change_packages(&self) -> bool {
        match self {
            Self::Development | Self::System => true,
        }
    }

    /// Whether it may take content away for good (`$expunge`, delete of a history).
    pub fn may_expunge(&self) -> bool {
        match self {
            Self::Development | Self::System => true,
        }
    }
}
