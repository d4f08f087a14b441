import TokenKeeper
import TokenVaultTesting

/// A moment of a refresh at which the process is killed.
struct CrashPoint: Sendable {
    /// How far things are at that moment, which is all that recovery depends on.
    enum Progress: Sendable {
        /// Nothing is on the disk.
        case untouched
        /// The intent is; the provider has not acted.
        case intended
        /// The provider has exchanged the token, and its answer is nowhere but in the process or on its way.
        case exchanged
        /// The new tokens are on the disk.
        case stored
    }

    /// What brings the kill about.
    enum Strike: Sendable {
        /// The worker stops there by itself.
        case held
        /// The n-th call of that name after the hold, before the kernel does it.
        case call(String, Int)
        /// The writer's n-th message to the server after the hold, before it leaves the process.
        case message(Int)
        /// The writer has sent an entry of the log for that operation, and all of its commit with it.
        case sent(String)
        /// The provider has the request.
        case arrived
        /// The provider has exchanged the token.
        case exchanged
        /// The worker has read so much of the answer.
        case read(String)
        /// The token is with its caller.
        case handedOut
    }

    let name: String
    let place: String
    let strike: Strike
    let progress: Progress
    var fault: ScriptedFault?

    private static let never = Duration.seconds(3600)

    static func all(on ground: Ground) -> [CrashPoint] {
        let (intent, tokens) =
            ground == .file ? (intentInFile, tokensInFile) : (intentOnServer, tokensOnServer)
        return [Self(name: "before the lease", place: "lease", strike: .held, progress: .untouched)]
            + intent + calling + tokens + [
                Self(
                    name: "tokens stored, not handed out", place: "hand-out", strike: .held, progress: .stored
                ),
                Self(name: "token handed out", place: "nowhere", strike: .handedOut, progress: .stored),
            ]
    }

    private static let intentInFile: [CrashPoint] = [
        Self(
            name: "first write of the intent to the WAL", place: "lease", strike: .call("pwrite64", 1),
            progress: .untouched),
        Self(
            name: "second write of the intent to the WAL", place: "lease", strike: .call("pwrite64", 2),
            progress: .untouched),
        Self(
            name: "fsync of the intent", place: "lease", strike: .call("fdatasync", 1), progress: .intended),
    ]

    private static let intentOnServer: [CrashPoint] = [
        Self(
            name: "question before the intent", place: "lease", strike: .message(1),
            progress: .untouched),
        Self(
            name: "the lock had, commit of the intent not sent", place: "lease",
            strike: .message(2), progress: .untouched),
        Self(
            name: "commit of the intent sent, its answer not read", place: "lease",
            strike: .sent("connection.intent"), progress: .intended),
    ]

    private static let calling: [CrashPoint] = [
        Self(name: "intent durable, nothing sent", place: "call", strike: .held, progress: .intended),
        Self(name: "connect", place: "call", strike: .call("connect", 1), progress: .intended),
        Self(
            name: "connected, nothing sent", place: "call", strike: .call("getpeername", 1),
            progress: .intended),
        Self(
            name: "request sent, never acted on", place: "nowhere", strike: .arrived, progress: .intended,
            fault: .delay(never)),
        Self(
            name: "request on its way, acted on after the death", place: "nowhere", strike: .arrived,
            progress: .exchanged, fault: .delay(.milliseconds(700))),
        Self(
            name: "acted on, no byte of the answer", place: "nowhere", strike: .exchanged,
            progress: .exchanged, fault: .late(never)),
        Self(
            name: "answer half read", place: "call", strike: .read("HTTP/1.1 200"), progress: .exchanged,
            fault: .slow(never)),
        Self(name: "answer read, not stored", place: "answer", strike: .held, progress: .exchanged),
    ]

    private static let tokensInFile: [CrashPoint] = [
        Self(
            name: "first write of the tokens to the WAL", place: "answer", strike: .call("pwrite64", 1),
            progress: .exchanged),
        Self(
            name: "third write of the tokens to the WAL", place: "answer", strike: .call("pwrite64", 3),
            progress: .exchanged),
        Self(
            name: "fsync of the tokens", place: "answer", strike: .call("fdatasync", 1), progress: .stored),
    ]

    private static let tokensOnServer: [CrashPoint] = [
        Self(
            name: "question before the tokens", place: "answer", strike: .message(1),
            progress: .exchanged),
        Self(
            name: "the lock had, commit of the tokens not sent", place: "answer",
            strike: .message(2), progress: .exchanged),
        Self(
            name: "commit of the tokens sent, its answer not read", place: "answer",
            strike: .sent("connection.refresh"), progress: .stored),
    ]

    /// What the rules promise for the connection afterwards.
    func expected(_ policy: Provider.ReplayPolicy) -> Recovery {
        switch (progress, policy) {
        case (.untouched, _): .refreshed
        case (.stored, _): .stored
        case (.intended, .revokes), (.exchanged, .revokes): .consent(asked: false)
        case (.exchanged, .rejected): .consent(asked: true)
        case (.intended, _): .refreshed
        case (.exchanged, _): .refreshed
        }
    }
}

/// What became of a connection whose worker was killed.
enum Recovery: Sendable, Equatable {
    /// The tokens were on the disk.
    case stored
    /// By one more request.
    case refreshed
    /// `lost-response`; `asked`: after one more request, which was refused.
    case consent(asked: Bool)

    /// In the table.
    var text: String {
        switch self {
        case .stored: "live, stored"
        case .refreshed: "live, asked"
        case .consent(asked: true): "consent, after asking"
        case .consent(asked: false): "consent, not asked"
        }
    }
}
