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
    var pairs: [IssuedTokens]
    var isRevoked = false
    var isNewestUsed = false
    var newestSince: VaultInstant

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
            if place == pairs.count - 1 { return .newPair }
            let age = now.elapsed(since: newestSince)
            if place == pairs.count - 2, age < (isNewestUsed ? .seconds(10) : .seconds(60)) {
                return .samePair(pairs[pairs.count - 1].text)
            }
            isRevoked = true
            return .refused
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
