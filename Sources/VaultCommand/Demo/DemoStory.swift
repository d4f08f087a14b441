import Foundation
import TokenVault
import VaultCore

/// Tells the demonstration: says what happens, does it, and checks that it came out as promised.
final class DemoStory: Sendable {
    let stage: DemoStage
    let plan: Plan
    private let isQuiet: Bool

    struct Plan: Sendable {
        let refreshes: Int
        let clients: Int
    }

    init(_ stage: DemoStage, _ plan: Plan, isQuiet: Bool) {
        self.stage = stage
        self.plan = plan
        self.isQuiet = isQuiet
    }

    func chapter(_ title: String) throws {
        guard !isQuiet else { return }
        try Console.print("")
        try Console.print(Console.strong(title))
    }

    func say(_ line: String) throws {
        if !isQuiet { try Console.print("  " + line) }
    }

    /// A promise that must have been kept for the story to go on.
    func expect(_ isKept: Bool, _ promise: String) throws {
        guard isKept else { throw VaultError(.internalError, "The demonstration failed: \(promise)") }
        try say("✓ " + promise)
    }

    /// One grant from its code to its end.
    func tellOneGrant(_ client: DemoClient) async throws -> [SecretBytes] {
        try chapter("1. A code becomes tokens")
        let code = try await stage.authorize()
        try say("The user allowed the application to see 'basic'. It was sent the code \(code.code.glimpse),")
        try say("and posts it to \(DemoClient.tokenPath).")
        let first = try await client.exchange(code.code).tokens()
        try say(
            "It gets the access token \(first.access.glimpse) and the refresh token \(first.refresh.glimpse)")
        try expect(try stage.vault.validate(first.access) != nil, "The access token is valid.")

        try chapter("2. A refresh replaces both tokens")
        let second = try await client.refresh(first.refresh).tokens()
        try say("The refresh token \(first.refresh.glimpse) gave \(second.refresh.glimpse)")
        try expect(!second.isSame(as: first), "Both tokens are new.")

        try chapter("3. A lost response logs nobody out")
        try say("Suppose that response never arrived. The application sends the same request again.")
        let again = try await client.refresh(first.refresh).tokens()
        try expect(again.isSame(as: second), "It gets the very same pair, byte for byte.")

        try chapter("4. A stolen refresh token ends the grant")
        let third = try await client.refresh(second.refresh).tokens()
        try say(
            "The application refreshed once more. Now somebody presents \(first.refresh.glimpse) from step 1:"
        )
        let theft = try await client.refresh(first.refresh)
        try expect(
            theft.status == 400 && theft.error == "invalid_grant", "Refused with 400 invalid_grant.")
        let afterwards = try await client.refresh(third.refresh)
        try expect(
            afterwards.error == "invalid_grant" && (try stage.vault.validate(third.access)) == nil,
            "The grant is revoked: its newest tokens are dead as well, whoever holds them.")
        return [
            code.code, first.access, first.refresh, second.access, second.refresh, third.access,
            third.refresh,
        ]
    }
}
