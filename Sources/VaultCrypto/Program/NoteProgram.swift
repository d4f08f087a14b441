package import VaultCore

/// A program of the operator's that is told something in text: it reads standard input to its end and ends
/// with status 0. No arguments, no environment but `PATH` and `LC_ALL`; its standard error is ours, what it
/// writes to standard output is thrown away, and more than 16 KiB of it counts as a failure.
package struct NoteProgram: Sendable {
    private let path: String
    private let deadline: Duration

    /// - Parameters:
    ///   - path: absolute.
    ///   - deadline: then it is ended, with what it started.
    package init(path: String, deadline: Duration) {
        self.path = path
        self.deadline = deadline
    }

    /// How a run went wrong.
    package enum Failure: Error {
        /// It did not start.
        case start
        case deadline
        /// It ended with another status than 0, by a signal, or talked too much.
        case refusal
    }

    /// Runs it once.
    ///
    /// - Parameter text: at most what a pipe holds, 64 KiB.
    package func tell(_ text: [UInt8]) throws(Failure) {
        let environment = [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
        ]
        do throws(ProgramRun.Failure) {
            try unsafe ProgramRun(path: path, environment: environment, deadline: deadline)
                .exchange(text) { _ throws(VaultError) in }
        } catch {
            switch error {
            case .start, .pipe: throw .start
            case .deadline: throw .deadline
            case .flood, .status, .signal, .answer: throw .refusal
            }
        }
    }

    /// Whoever can write a program that we start can do what we can.
    ///
    /// - Throws: `invalidInput`, `permissionDenied`, `notFound`.
    package static func check(_ path: String) throws(VaultError) {
        try KeyProgram.checkFile(path, called: "program", remedy: "Name a program by its absolute path.")
    }
}
