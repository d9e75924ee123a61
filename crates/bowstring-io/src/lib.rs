//! Files to Arrow and back.
