//! The authors' file formats: their real files, files made up like them, and files made to do harm.

mod files;
mod harmful;
mod import;
mod real;
mod round_trip;
