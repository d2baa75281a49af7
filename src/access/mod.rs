//! Floor 5: who may do what.
//!
//! For now there is one kind of actor; the authorization server brings the others. Every path to
//! data already carries an actor, so that nothing has to be found and mended then.

pub mod actor;
