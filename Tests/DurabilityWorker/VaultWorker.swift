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
@main
struct VaultWorker {
    static func main() async throws {
        let arguments = CommandLine.arguments
        if arguments.count == 5, arguments[1] == "rotate" {
            return try await rotate(arguments[2], .keyFile(path: arguments[3]), arguments[4])
        }
        guard arguments.count >= 5, let limit = Int(arguments[4]) else { exit(2) }
        let callers = arguments.count > 5 ? Int(arguments[5]) ?? 1 : 1
        var chains: [Chain] = []
        while let line = readLine(), !line.isEmpty {
            let words = line.split(separator: " ")
            guard words.count == 2, let grant = Int64(words[0]) else { exit(2) }
            chains.append(Chain(grant: GrantID(grant), token: Secret(copying: words[1])))
        }
        let vault = try await Vault.open(at: arguments[1], unlockedBy: .keyFile(path: arguments[2]))
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

    private static func rotate(_ path: String, _ source: KeySource, _ key: String) async throws {
        let vault = try await Vault.open(at: path, unlockedBy: source)
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
    let token: SecretBytes

    // A caller that gets nothing but errors gives up.
    private static let patience = 3

    func swap(_ limit: Int, _ vault: Vault, _ client: Client) async {
        var token = token
        var swapped = 0
        var errors = 0
        while swapped < limit, errors < Self.patience {
            do {
                let request = ExchangeRequest(
                    kind: .refreshToken, credential: token, client: client, channel: .library)
                switch try await vault.exchange(request) {
                case .issued(let tokens): token = tell("ack", tokens) ?? token
                case .replayed(let tokens): token = tell("replay", tokens) ?? token
                case .refused(let reason):
                    return VaultWorker.say("refuse \(grant.rawValue) \(reason.rawValue)")
                case .databaseIsBehind:
                    return VaultWorker.say("refuse \(grant.rawValue) database_is_behind")
                }
                swapped += 1
                errors = 0
            } catch {
                errors += 1
                let code = (error as? VaultError)?.code.rawValue ?? "\(type(of: error))"
                VaultWorker.say("fail \(grant.rawValue) \(code)")
            }
        }
    }

    private func tell(_ word: String, _ tokens: IssuedTokens) -> SecretBytes? {
        guard let next = tokens.pair.refreshToken else { return nil }
        // The tokens of a test are nobody's: this is what the test compares.
        let text = next.withExposed { String(decoding: $0, as: UTF8.self) }
        VaultWorker.say("\(word) \(grant.rawValue) \(tokens.generation) \(text)")
        return next
    }
}
