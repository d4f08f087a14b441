import TokenKeeper
import TokenVault
import TokenVaultTesting
import Testing
import VaultCore

/// The end of a history: nothing fails any more, what is under way ends, and what a crash left behind is taken up.
extension Simulation {
    func comeToRest() async throws {
        guard violations.isEmpty else { return }
        isResting = true
        server.setFaults(FaultScript())
        note("nothing fails any more")
        try await drain()
        var rounds = 0
        while row.connection.state == .live, row.attempt != nil, violations.isEmpty {
            rounds += 1
            guard rounds <= 6 else { return violate("no end of it: an attempt is still open") }
            machine.time.advance(by: Self.leaseSpan + .seconds(1))
            begin()
            try await drain()
        }
        if violations.isEmpty { try judgeRest() }
    }

    private func drain() async throws {
        var steps = 0
        while violations.isEmpty, !workers.isEmpty || flights.contains(where: { $0.answer == nil }) {
            steps += 1
            guard steps < 4000 else { return violate("the workers do not come to an end") }
            if let index = flights.firstIndex(where: { $0.answer == nil }), dice.oneIn(2) || workers.isEmpty {
                deliver(index)
            } else if !workers.isEmpty {
                try await advance(dice.below(workers.count))
            }
        }
        flights = []
    }

    /// What the connection must be now, given what the provider knows.
    private func judgeRest() throws {
        let family = try #require(server.families.first)
        let isLiveThere = row.pair?.refreshToken.map { server.isLive(refreshToken: $0.revealed) } ?? false
        let (state, reason) = (row.connection.state, row.connection.reason ?? "")
        note("at rest: \(state), \(reason), \(isLiveThere ? "live" : "dead") at the provider, \(family)")
        if policy == .revokes, server.replays > 0 || server.reuseAlarms > 0 { violate("a reuse alarm") }
        let isStrict = policy == .revokes || policy == .rejected
        if isStrict, family.redemptions.contains(where: { $0 > 1 }) { violate("a token was redeemed twice") }
        if state == .live {
            if !isLiveThere {
                violate("it counts as live, and the provider does not know its refresh token any more")
            }
            return
        }
        guard state == .needsConsent else { return violate("it is neither live nor in want of consent") }
        if row.connection.dueAt != nil {
            violate("a service would look again and again at what it cannot help")
        }
        if isLiveThere {
            judgeUnusedToken(reason)
        } else {
            judgeLoss(reason, redemptions: family.redemptions.reduce(0, +))
        }
    }

    /// In want of consent although its refresh token is good.
    private func judgeUnusedToken(_ reason: String) {
        if wasRefusedWrongly { return }
        switch policy {
        // Whoever cannot know whether it was used must not try.
        case .revokes where reason == "lost-response" && row.attempt != nil: return
        // Whether too early is judged when it is given up.
        case .within, .untilFirstUse(.some): if reason == "lost-response", row.attempt != nil { return }
        default: break
        }
        violate("a live grant was given up: \(reason)")
    }

    /// In want of consent, and rightly: then something was lost on the way, and the reason says so.
    private func judgeLoss(_ reason: String, redemptions: Int) {
        switch policy {
        case .rejected where redemptions <= stored, .revokes where redemptions <= stored:
            violate("lost although everything that was granted is stored: \(reason)")
        case .tolerated, .untilFirstUse(nil):
            violate("lost where the provider gives an answer again: \(reason)")
        default: break
        }
        // A proxy that sends twice makes a first answer look like a second.
        let isExcused = wasRefusedWrongly || wasSentTwice
        if reason != "lost-response", !isExcused {
            violate("the reason does not say what happened: \(reason)")
        }
    }
}
