//! How `helix` ends: one code for each kind of trouble, so that scripts need not read messages. The list is
//! [`Kind::ALL`]; `helix --help` prints it.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The kind of trouble that ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Neither the command nor its files are at fault.
    Other,
    /// The command line is wrong in a way that its parser cannot see.
    Usage,
    /// An input file is missing or wrong.
    BadInput,
    /// The model does not fit, or the placement is invalid.
    Infeasible,
    /// Stopped by the user.
    Interrupted,
    /// The reader of our output went away (`helix … | head`): nothing to complain about.
    OutputClosed,
}

impl Kind {
    /// Every kind that has a code of its own.
    pub const ALL: [Self; 5] =
        [Self::Other, Self::Usage, Self::BadInput, Self::Infeasible, Self::Interrupted];

    /// What `--help` says of it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::OutputClosed => "done",
            Self::Other => "something failed that is neither a wrong command line nor a wrong file",
            Self::Usage => "the command line is wrong",
            Self::BadInput => "an input file is missing or wrong",
            Self::Infeasible => "it cannot be: the model does not fit, or the placement is invalid",
            Self::Interrupted => "interrupted (Ctrl-C)",
        }
    }

    /// The kind of a process that ended with this code; `None` for one that ended well, or with a code that is none.
    pub fn of_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i32::from(kind.code()) == code)
    }

    /// The process exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::BadInput => 3,
            Self::Infeasible => 4,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command did not finish.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// Printed after `error: `.
    pub message: String,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }

    /// The command line is wrong in a way that its parser cannot see.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Prints what is to be said and gives the code to end with.
    pub fn report(&self) -> ExitCode {
        if self.kind != Kind::OutputClosed {
            eprintln!("error: {}", self.message);
        }
        ExitCode::from(self.kind.code())
    }
}

/// The table of exit codes for `--help`.
pub fn help() -> String {
    let done = "Exit codes:\n    0  done".to_owned();
    let rows = Kind::ALL.iter().map(|kind| format!("\n  {:>3}  {}", kind.code(), kind.meaning()));
    rows.fold(done, |table, row| table + &row)
}

impl From<helix_spec::FileError> for Failure {
    fn from(error: helix_spec::FileError) -> Self {
        Self::new(Kind::BadInput, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::OutputClosed } else { Kind::Other };
        Self::new(kind, error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Kind::Other, format!("{error:#}"))
    }
}
