//! What was seen: the timeline (the only truth), the index of objects folded from it, and the truth of conditions over that.
//! Only `watch`, `logs`, `probe` and `evidence` have a client; everything else is pure.

pub mod evaluate;
pub mod evidence;
pub mod index;
pub mod logs;
pub mod packed;
pub mod probe;
pub mod timeline;
pub mod watch;

pub use index::Index;
pub use timeline::{Fact, Observation, Timeline};
