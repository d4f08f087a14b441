import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

/// Somebody who wants a token of the connection: the real machine of a refresh, and the step it takes next.
struct SimulatedWorker {
    let number: Int
    /// Which process it belongs to.
    let handle: Int
    let terms: RefreshTerms
    var attempt: RefreshAttempt
    var step: RefreshAttempt.Step
    /// The request it waits for, by number.
    var flight: Int?
    /// What its lease said.
    var leased: HeldConnection?
}

/// A request on its way, which goes on though its worker dies.
struct SimulatedFlight {
    let number: Int
    /// Of the refresh token that it carries.
    let generation: Int64
    let sentAt: Duration
    let exchange: PlannedExchange
    /// What the provider says, and when the client may know; nil: the request has not arrived.
    var answer: (told: PlannedAnswer, at: Duration)?
    /// Nobody waits for it any more.
    var isOrphan = false

    /// When the client gives up.
    var deadline: Duration { sentAt + exchange.timeout }
}

/// The policies of providers, their windows once shorter and once longer than a lease.
enum SimulatedPolicy {
    static let all: [Provider.ReplayPolicy] = [
        .tolerated, .within(.seconds(600)), .within(.seconds(90)), .untilFirstUse(nil),
        .untilFirstUse(.seconds(3600)), .rejected, .revokes,
    ]

    static func entry(_ policy: Provider.ReplayPolicy) -> Provider {
        var entry = Provider(
            name: "simulated", title: "Simulated", endpoints: .init(token: "https://provider.example/token"))
        entry.refresh.replay = policy
        return entry
    }

    static func faults(_ dice: inout Dice, allowingTwice: Bool) -> FaultScript {
        // One history in four has no fault but crashes.
        guard !dice.oneIn(4) else { return FaultScript() }
        var chances: [(fault: ScriptedFault, probability: Double)] = [
            (.dropBefore, 0.06), (.dropAfter, 0.08), (.truncated, 0.04), (.unreachable, 0.03),
            (.late(dice.seconds(1...28)), 0.04), (.late(dice.seconds(31...90)), 0.04),
            (.delay(dice.seconds(1...28)), 0.04), (.delay(dice.seconds(31...90)), 0.04),
            (.status(500), 0.02), (.status(503, retryAfter: "7"), 0.02), (.status(429), 0.02),
            (.status(504, isDone: true), 0.03), (.status(504, isDone: false), 0.02),
            (.unreadableExpiry, 0.03), (.page(isDone: true), 0.03), (.emptyBody, 0.02),
            (.errorUnder200("invalid_grant"), 0.01), (.invalidClient, 0.01),
        ]
        // A proxy that sends twice is no doing of ours, and under this policy it ends the grant.
        if allowingTwice { chances.append((.duplicate, 0.03)) }
        return FaultScript(chances: chances)
    }
}

extension SecretBytes {
    var revealed: String { withExposed { String(decoding: $0, as: UTF8.self) } }
}
