import Foundation
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto
import VaultCustody

/// A process that swaps tokens until it is done or dies, and says so of each one that was acknowledged.
///
///     vault-worker VAULT KEY-FILE CLIENT LIMIT [CALLERS]
///
/// Standard input: one line `GRANT TOKEN` per chain, then an empty line. `LIMIT` swaps are made per chain, by `CALLERS`
/// callers at once (1) that all present the same token. Standard output, one `write` per line: `ready`, then
/// `ack GRANT GENERATION TOKEN`, `replay GRANT GENERATION TOKEN`, `fail GRANT CODE`, `refuse GRANT REASON`,
/// `swapped`, and after the vault was closed `done`.
/// After `ready` it waits for one more line before it begins.
///
///     vault-worker rotate VAULT KEY-FILE KEY
///
/// Rotates `root`, `lookup`, `rows` or, all of them and more, `deep`; says `ready` before and `done` after.
///
///     vault-worker begin VAULT KEY-FILE CLIENT COUNT
///     vault-worker persist VAULT KEY-FILE CLIENT CALLERS
///
/// Makes grants of `alice`; swaps the chains of its standard input, which as many callers share, until that ends, whatever
/// fails meanwhile. `VAULT` is a path or `postgres:SERVICE` in all of them.
@main
struct VaultWorker {
    static func main() async throws {
        let arguments = CommandLine.arguments
        if arguments.count == 5, arguments[1] == "rotate" {
            return try await rotate(arguments[2], .keyFile(path: arguments[3]), arguments[4])
        }
        if arguments.count == 6, arguments[1] == "begin", let count = Int(arguments[5]) {
            return try await begin(arguments[2], .keyFile(path: arguments[3]), arguments[4], count)
        }
        if arguments.count == 6, arguments[1] == "persist", let callers = Int(arguments[5]) {
            return try await persist(arguments[2], .keyFile(path: arguments[3]), arguments[4], callers)
        }
        guard arguments.count >= 5, let limit = Int(arguments[4]) else { exit(2) }
        let callers = arguments.count > 5 ? Int(arguments[5]) ?? 1 : 1
        let chains = readChains()
        let vault = try await open(arguments[1], .keyFile(path: arguments[2]))
        let client = try await vault.clients.find(arguments[3])
        say("ready")
        _ = readLine()
        await withTaskGroup { group in
            for chain in chains {
                for _ in 0..<callers { group.addTask { await chain.swap(limit, vault, client) } }
            }
        }
        say("swapped")
        await vault.close()
        say("done")
    }

    static func open(_ place: String, _ source: KeySource) async throws -> Vault {
        try await Vault.open(at: VaultPlace(parsing: place), unlockedBy: source)
    }

    static func readChains() -> [Chain] {
        var chains: [Chain] = []
        while let line = readLine(), !line.isEmpty {
            let words = line.split(separator: " ")
            guard words.count == 2, let grant = Int64(words[0]) else { exit(2) }
            chains.append(Chain(grant: GrantID(grant), token: Secret(copying: words[1])))
        }
        return chains
    }

    private static func rotate(_ path: String, _ source: KeySource, _ key: String) async throws {
        let vault = try await open(path, source)
        say("ready")
        switch key {
        case "root": _ = try await vault.keys.rotateRoot()
        case "deep": _ = try await vault.keys.rotateDeeply(openedBy: source)
        default:
            guard let kind = SystemKeyKind(rawValue: key) else { exit(2) }
            _ = try await vault.keys.rotate(kind)
        }
        await vault.close()
        say("done")
    }

    /// One line in one system call: a reader sees all of it or nothing.
    static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        if write(1, bytes, bytes.count) != bytes.count { exit(3) }
    }
}

/// One grant, refreshed again and again by one caller.
struct Chain: Sendable {
    let grant: GrantID
    var token: SecretBytes

    /// What became of a swap.
    enum Step {
        case next(SecretBytes)
        case again
        case over
    }

    // A caller that gets nothing but errors gives up.
    private static let patience = 3

    func swap(_ limit: Int, _ vault: Vault, _ client: Client) async {
        var token = token
        var swapped = 0
        var errors = 0
        while swapped < limit, errors < Self.patience {
            switch await attempt(token, vault, client) {
            case .next(let successor):
                token = successor
                swapped += 1
                errors = 0
            case .again: errors += 1
            case .over: return
            }
        }
    }

    func attempt(_ token: SecretBytes, _ vault: Vault, _ client: Client) async -> Step {
        do {
            let request = ExchangeRequest(
                kind: .refreshToken, credential: token, client: client, channel: .library)
            switch try await vault.exchange(request) {
            case .issued(let tokens): return .next(Self.tell("ack", tokens) ?? token)
            case .replayed(let tokens): return .next(Self.tell("replay", tokens) ?? token)
            case .refused(let reason): VaultWorker.say("refuse \(grant.rawValue) \(reason.rawValue)")
            case .databaseIsBehind: VaultWorker.say("refuse \(grant.rawValue) database_is_behind")
            }
            return .over
        } catch {
            let code = (error as? VaultError)?.code.rawValue ?? "\(type(of: error))"
            VaultWorker.say("fail \(grant.rawValue) \(code)")
            return .again
        }
    }

    static func tell(_ word: String, _ tokens: IssuedTokens) -> SecretBytes? {
        guard let next = tokens.pair.refreshToken else { return nil }
        // The tokens of a test are nobody's: this is what the test compares.
        let text = next.withExposed { String(decoding: $0, as: UTF8.self) }
        VaultWorker.say("\(word) \(tokens.grant.rawValue) \(tokens.generation) \(text)")
        return next
    }
}
