import TestSupport
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto

/// What a client may do to its grant, or somebody else with its tokens.
enum Act: CaseIterable {
    case refreshNewest, refreshPredecessor, refreshAnyOlder, refreshForged, refreshByOtherClient
    case useNewest, usePredecessor, useOldest, redeemAgain, revoke
}

/// What is expected of it.
enum Expectation: Equatable {
    case newPair
    case samePair([[UInt8]])
    case refused
    case valid(Bool)
    case done
}

/// One grant as a slow and obvious model keeps it: every pair it was ever given, and when.
///
/// Judges from that history alone: no generation numbers in tokens, no tags, no rows.
struct ObviousGrant {
    let code: SecretBytes
    let codeIssuedAt: VaultInstant
    /// What the client may do with refresh tokens that were replaced.
    var rotation: RefreshTokenRotation
    private(set) var pairs: [IssuedTokens] = []
    /// When each of them was issued.
    private var issuedAt: [VaultInstant] = []
    /// The refresh tokens, by their place, that the policy took when one of them made the newest pair.
    private var takenAtSwap: Set<Int> = []
    private var isRevoked = false
    private var isNewestUsed = false

    init(code: SecretBytes, codeIssuedAt: VaultInstant, rotation: RefreshTokenRotation, first: IssuedTokens) {
        (self.code, self.codeIssuedAt, self.rotation) = (code, codeIssuedAt, rotation)
        add(first, at: codeIssuedAt)
    }

    mutating func add(_ pair: IssuedTokens, at now: VaultInstant) {
        pairs.append(pair)
        issuedAt.append(now)
        isNewestUsed = false
    }

    mutating func expect(_ act: Act, _ token: SecretBytes?, at now: VaultInstant) -> Expectation {
        switch act {
        case .revoke:
            isRevoked = true
            return .done
        case .refreshForged, .refreshByOtherClient: return .refused
        case .redeemAgain:
            if now.elapsed(since: codeIssuedAt) < .seconds(600) { isRevoked = true }
            return .refused
        case .useNewest, .usePredecessor, .useOldest:
            let place = pairs.lastIndex {
                $0.pair.accessToken.withExposed { $0 } == token?.withExposed { $0 }
            }
            guard !isRevoked, let place, place >= pairs.count - 2, now < pairs[place].expiresAt else {
                return .valid(false)
            }
            if place == pairs.count - 1 { isNewestUsed = true }
            return .valid(true)
        case .refreshNewest, .refreshPredecessor, .refreshAnyOlder:
            let place = pairs.lastIndex {
                $0.pair.refreshToken?.withExposed { $0 } == token?.withExposed { $0 }
            }
            guard !isRevoked, let place else { return .refused }
            return expect(refreshBy: place, at: now)
        }
    }

    private mutating func expect(refreshBy place: Int, at now: VaultInstant) -> Expectation {
        let newest = pairs.count - 1
        guard place < newest else {
            takenAtSwap = []
            return .newPair
        }
        let isRetry =
            place == newest - 1
            && now.elapsed(since: issuedAt[newest]) < (isNewestUsed ? .seconds(10) : .seconds(60))
        // Who asked by an old token and got a new pair may not have it yet.
        let isNewestAlive = now < pairs[newest].expiresAt
        let isLate = isNewestAlive && takenAtSwap.contains(place)
        guard isRetry || isLate || isTaken(place, at: now) else {
            isRevoked = true
            return .refused
        }
        if rotation == .strict || isNewestAlive { return .samePair(pairs[newest].text) }
        takenAtSwap = Set(pairs.indices.dropLast().filter { $0 == place || isTaken($0, at: now) })
        return .newPair
    }

    /// Whether the policy takes a refresh token that was replaced.
    private func isTaken(_ place: Int, at now: VaultInstant) -> Bool {
        let swaps = pairs.count - 1 - place
        switch rotation {
        case .strict: return false
        case .untilFirstUse(let cap):
            return swaps == 1 && now.elapsed(since: issuedAt[place + 1]) < cap
        case .staleTolerant(let generations, let cap):
            // The vault knows when the last swap was; of an older token it knows the minute of its issue.
            let minute = issuedAt[place].millisecondsSince1970 / 60_000 * 60_000
            let start =
                swaps == 1 ? issuedAt[place + 1] : VaultInstant(millisecondsSince1970: minute)
            return swaps <= generations && now.elapsed(since: start) < cap
        }
    }

    /// The token the act presents.
    func token(for act: Act, using random: inout SeededGenerator) -> SecretBytes? {
        switch act {
        case .refreshNewest, .refreshByOtherClient: return pairs.last?.pair.refreshToken
        case .refreshPredecessor:
            return pairs.dropLast().last?.pair.refreshToken ?? pairs.last?.pair.refreshToken
        case .refreshAnyOlder: return pairs.randomElement(using: &random)?.pair.refreshToken
        case .useNewest: return pairs.last?.pair.accessToken
        case .usePredecessor: return (pairs.dropLast().last ?? pairs.last)?.pair.accessToken
        case .useOldest: return pairs.first?.pair.accessToken
        case .refreshForged:
            var bytes = pairs.last?.pair.refreshToken?.withExposed { $0 } ?? []
            let place = Int.random(in: 6..<bytes.count, using: &random)
            bytes[place] = bytes[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            return Secret(bytes)
        case .redeemAgain: return code
        case .revoke: return nil
        }
    }
}
