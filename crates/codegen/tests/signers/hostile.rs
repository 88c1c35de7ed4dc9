//! Dialects that try to break out.
