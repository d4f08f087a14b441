import Foundation
import ProviderHTTP
import TokenKeeper
import TokenVault
import VaultCore
import VaultCrypto

/// A process that asks its keeper for tokens, for the durability tests to stop at a chosen place and kill.
///
///     keeper-worker VAULT KEY-FILE [PLACE [SECONDS]]
///
/// `VAULT` is a path or `postgres:SERVICE`; `SECONDS` is how long a call to a provider may take. Standard output, one `write` per line: `ready`; then for each line `get CONNECTION CALLERS` of standard input one line per
/// caller, `token GENERATION TOKEN MICROSECONDS`, `consent REASON`, `unavailable REASON` or `error CODE`, and `done`. At its
/// PLACE it says `held` and goes on when it gets a line: `lease` (before the refresh begins), `call` (its intent is on the
/// disk), `answer` (the reply is here), `hand-out` (the tokens are on the disk).
@main
struct KeeperWorker {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3 else { exit(2) }
        let place = arguments.count > 3 ? Place(rawValue: arguments[3]) : nil
        let vault = try await Vault.open(
            at: VaultPlace(parsing: arguments[1]), unlockedBy: .keyFile(path: arguments[2]))
        var configuration = KeeperConfiguration()
        if arguments.count > 4, let seconds = Int(arguments[4]) {
            configuration.callTimeout = .seconds(seconds)
        }
        let network = try AsyncHTTPTransport()
        let keeper = TokenKeeper(
            vault: vault, transport: HoldingTransport(network: network, place: place),
            configuration: configuration)
        say("ready")
        while let line = readLine() {
            let words = line.split(separator: " ")
            guard words.count == 3, let id = Int64(words[1]), let callers = Int(words[2]) else { exit(2) }
            await withTaskGroup { group in
                for _ in 0..<callers { group.addTask { await ask(keeper, ConnectionID(id), place) } }
            }
            say("done")
        }
        await network.shutdown()
        await vault.close()
    }

    private static func ask(_ keeper: TokenKeeper, _ id: ConnectionID, _ place: Place?) async {
        place?.hold(at: .lease)
        let start = ContinuousClock.now
        do {
            let answer = try await keeper.accessToken(for: id)
            let span = (ContinuousClock.now - start).components
            let microseconds = span.seconds * 1_000_000 + span.attoseconds / 1_000_000_000_000
            place?.hold(at: .handOut)
            switch answer {
            case .ready(let held):
                // The tokens of a test are nobody's: this is what the test compares.
                let text = held.token.withExposed { String(decoding: $0, as: UTF8.self) }
                say("token \(held.generation) \(text) \(microseconds)")
            case .needsConsent(let need): say("consent \(need.reason.rawValue)")
            case .unavailable(_, let reason): say("unavailable \(reason.rawValue)")
            }
        } catch {
            say("error \((error as? VaultError)?.code.rawValue ?? "\(type(of: error))")")
        }
    }

    /// One line in one system call: a reader sees all of it or nothing.
    static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        if write(1, bytes, bytes.count) != bytes.count { exit(3) }
    }
}

/// Where a worker waits to be killed.
enum Place: String, Sendable {
    case lease
    case call
    case answer
    case handOut = "hand-out"

    func hold(at place: Place) {
        guard self == place else { return }
        KeeperWorker.say("held")
        _ = readLine()
    }
}

/// The network, with a stop on either side of it.
private struct HoldingTransport: ProviderTransport {
    let network: AsyncHTTPTransport
    let place: Place?

    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        place?.hold(at: .call)
        let reply = try await network.send(request)
        place?.hold(at: .answer)
        return reply
    }
}
